"""All stored results as one SQL table, read by DuckDB straight from the JSON lines; nothing is imported or copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from edgebench.ground.errors import MissingPackage, UsageError

if TYPE_CHECKING:
    import duckdb

# What DuckDB may keep in memory; more goes to its temporary files.
MEMORY: Final = "300MB"

# The fields of a stored line that the table is made of, but for `latency_s`, whose type depends on the kind of record.
_FIELDS: Final = {
    "kind": "VARCHAR",
    "schema": "INTEGER",
    "id": "VARCHAR",
    "time": "VARCHAR",
    "model": "STRUCT(name VARCHAR, family VARCHAR, width DOUBLE, depth DOUBLE, resolution INTEGER)",
    "export": "STRUCT(format VARCHAR, precision VARCHAR)",
    "device": "VARCHAR",
    "runtime": "VARCHAR",
    "runtime_version": "VARCHAR",
    "provenance": "VARCHAR",
    "threads": "INTEGER",
    "scenario": "STRUCT(threads INTEGER)",
    "load_s": "DOUBLE[]",
    "first_s": "DOUBLE[]",
    "estimated_latency_s": "STRUCT(value DOUBLE)",
    "memory_bytes": "MAP(VARCHAR, BIGINT)",
    "peak_memory_bytes": "BIGINT",
    "artifact_sha256": "VARCHAR",
    "size_bytes": "BIGINT",
    "parameters": "BIGINT",
    "macs": "BIGINT",
    "counts": "MAP(VARCHAR, BIGINT)",
    "environment": 'STRUCT("commit" VARCHAR, machine VARCHAR, cpu VARCHAR)',
    "status": "VARCHAR",
    "error": "VARCHAR",
}

# The columns of the table `results`: name and expression, in base units. Those of _latency come between.
_COLUMNS: Final = {
    "time": "timezone('UTC', try_cast(time AS TIMESTAMPTZ))",
    "model": "model.name",
    "family": "model.family",
    "width": "model.width",
    "depth": "model.depth",
    "resolution": "model.resolution",
    "format": "export.format",
    "precision": "export.precision",
    "device": "device",
    "runtime": "runtime",
    "runtime_version": "runtime_version",
    "threads": "coalesce(threads, scenario.threads)",
    "provenance": "provenance",
    "estimated_latency_s": "estimated_latency_s.value",
    "first_s": "list_median(first_s)",
    "load_s": "list_median(load_s)",
    "peak_memory_bytes": "coalesce(peak_memory_bytes, greatest(memory_bytes['load'], memory_bytes['first'], "
    "memory_bytes['steady']) - memory_bytes['baseline'])",
    "size_bytes": "size_bytes",
    "parameters": "parameters",
    "macs": "macs",
    "instructions": "counts['instructions']",
    "artifact_sha256": "artifact_sha256",
    "commit": 'environment."commit"',
    "machine": "environment.machine",
    "cpu": "environment.cpu",
    "status": "status",
    "error": "error",
    "id": "id",
    "kind": "kind",
    "schema": '"schema"',
    "file": "filename",
}

# How `latency_s` is read: the samples by process of a measurement, the interval of an estimate, or either of them,
# which takes DuckDB half as long again.
Latency = Literal["samples", "interval", "either"]
_LATENCY_TYPES: Final[dict[Latency, str]] = {
    "samples": "DOUBLE[][]",
    "interval": "STRUCT(value DOUBLE)",
    "either": "JSON",
}


def _latency(kind: Latency) -> dict[str, str]:
    """latency_s, the median of the process medians; latency_p10_s, that of their 10th percentiles, which `compare`
    judges; and the number of processes. Both latencies are the estimate of an estimate."""
    if kind == "interval":
        return {"latency_s": "latency_s.value", "latency_p10_s": "latency_s.value", "processes": "NULL::BIGINT"}
    samples = "latency_s" if kind == "samples" else "try_cast(latency_s AS DOUBLE[][])"
    each = {"latency_s": "list_median(one)", "latency_p10_s": "list_aggregate(one, 'quantile_cont', 0.1)"}
    values = {name: f"list_median(list_transform({samples}, lambda one: {value}))" for name, value in each.items()}
    if kind == "either":
        estimate = "try_cast(latency_s->>'value' AS DOUBLE)"
        values = {name: f"coalesce({expression}, {estimate})" for name, expression in values.items()}
    return {**values, "processes": f"len({samples})"}


@dataclass(frozen=True)
class QueryResult:
    """What a query returned: column names and rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def connect(files: Sequence[Path], latency: Latency) -> duckdb.DuckDBPyConnection:
    """Opens an in-memory database whose table `results` is every record of the files, read as it is asked for.

    Lines that are no records (such as one that was cut off) are rows without a `schema`. A statement reaches
    these files and no others. Raises MissingPackage without DuckDB.
    """
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise MissingPackage("duckdb", "history", "reading the history") from error
    connection = duckdb.connect(config={"memory_limit": MEMORY})
    connection.execute("SET enable_progress_bar = false")
    typed = {**_FIELDS, "latency_s": _LATENCY_TYPES[latency]}
    fields = ", ".join(f'"{name}": {_text(kind)}' for name, kind in typed.items())
    columns = ",\n".join(f'{expression} AS "{name}"' for name, expression in {**_COLUMNS, **_latency(latency)}.items())
    connection.execute(
        f"CREATE VIEW results AS SELECT\n{columns}\nFROM read_json({_list(files)}, filename=true, "
        f"format='newline_delimited', ignore_errors=true, columns={{{fields}}})"
    )
    connection.execute(f"SET allowed_paths = {_list(files)}")
    connection.execute("SET enable_external_access = false")
    return connection


def files_of(folder: Path) -> list[Path]:
    """The result files under a folder, or the file itself; UsageError when there are none."""
    files = sorted(folder.rglob("*.jsonl")) if folder.is_dir() else [folder] if folder.exists() else []
    if not files:
        raise UsageError(f"{folder} holds no results: `edgebench profile` writes them, as .jsonl files")
    return files


def query(folder: Path, sql: str) -> QueryResult:
    """Runs one SQL statement over the table `results`; UsageError says what is wrong with it."""
    if not sql.strip():
        raise UsageError(
            "the query is empty: write for example SELECT model, min(latency_s) FROM results GROUP BY model"
        )
    return run(connect(files_of(folder), "either"), sql)


def run(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> QueryResult:
    """Runs one statement. Raises UsageError with DuckDB's own reason."""
    import duckdb

    try:
        done = connection.execute(sql, list(parameters))
        return QueryResult(tuple(column[0] for column in done.description), tuple(done.fetchall()))
    except duckdb.Error as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"the query failed: {reason}. The table is results: {', '.join([*_COLUMNS, *_latency('either')])}"
        ) from error


def _list(files: Sequence[Path]) -> str:
    return f"[{', '.join(_text(str(file)) for file in files)}]"


def _text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"
