"""All stored results as one SQL table of DuckDB, a row a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from edgebench.compare.pairing import when
from edgebench.compare.statistics import process_values
from edgebench.ground import store
from edgebench.ground.errors import MissingPackage, UsageError
from edgebench.ground.paths import shown
from edgebench.ground.records import Estimate, Result

# What DuckDB may keep in memory; more goes to its temporary files.
MEMORY: Final = "300MB"


def _latency(of: Result, value: Callable[[Sequence[float]], float]) -> float | None:
    """The median over processes of what `value` makes of each; the estimate of an estimate."""
    if isinstance(of, Estimate):
        return of.latency_s.value if of.latency_s else None
    return median(map(value, of.samples_s)) if of.samples_s else None


def _told(name: str) -> Callable[[Result], str | None]:
    """What the environment says under a name, where it does."""
    return lambda of: None if of.environment.get(name) is None else str(of.environment[name])


# The columns of the table `results`: name, type, and value of a record, in base units. latency_s is the median of the
# process medians, and latency_p10_s that of their 10th percentiles, which `compare` judges.
_COLUMNS: Final[dict[str, tuple[str, Callable[[Result], Any]]]] = {
    "time": ("TIMESTAMP", lambda of: when(of).astimezone(UTC).replace(tzinfo=None)),
    "model": ("VARCHAR", lambda of: of.model.name),
    "family": ("VARCHAR", lambda of: of.model.family),
    "width": ("DOUBLE", lambda of: of.model.width),
    "depth": ("DOUBLE", lambda of: of.model.depth),
    "resolution": ("INTEGER", lambda of: of.model.resolution),
    "format": ("VARCHAR", lambda of: of.export.format),
    "precision": ("VARCHAR", lambda of: of.export.precision),
    "device": ("VARCHAR", lambda of: of.device),
    "runtime": ("VARCHAR", lambda of: of.runtime),
    "runtime_version": ("VARCHAR", lambda of: of.runtime_version),
    "threads": ("INTEGER", lambda of: of.threads),
    "provenance": ("VARCHAR", lambda of: of.provenance),
    "latency_s": ("DOUBLE", lambda of: _latency(of, median)),
    "latency_p10_s": ("DOUBLE", lambda of: _latency(of, lambda process: float(process_values([process])[0]))),
    "estimated_latency_s": ("DOUBLE", lambda of: (each := getattr(of, "estimated_latency_s", None)) and each.value),
    "processes": ("INTEGER", lambda of: len(of.samples_s) or None),
    "first_s": ("DOUBLE", lambda of: median(of.first_s) if of.first_s else None),
    "load_s": ("DOUBLE", lambda of: median(of.load_s) if of.load_s else None),
    "peak_memory_bytes": ("BIGINT", lambda of: of.peak_memory_bytes),
    "size_bytes": ("BIGINT", lambda of: of.size_bytes),
    "parameters": ("BIGINT", lambda of: of.parameters),
    "macs": ("BIGINT", lambda of: of.macs),
    "instructions": ("BIGINT", lambda of: of.instructions),
    "artifact_sha256": ("VARCHAR", lambda of: of.artifact_sha256),
    "commit": ("VARCHAR", _told("commit")),
    "machine": ("VARCHAR", _told("machine")),
    "cpu": ("VARCHAR", _told("cpu")),
    "status": ("VARCHAR", lambda of: of.status),
    "error": ("VARCHAR", lambda of: of.error),
    "id": ("VARCHAR", lambda of: of.id),
    "kind": ("VARCHAR", lambda of: "estimate" if isinstance(of, Estimate) else "measurement"),
    "schema": ("INTEGER", lambda of: of.schema),
}
_TYPES: Final = {name: kind for name, (kind, _) in _COLUMNS.items()} | {"file": "VARCHAR"}


@dataclass(frozen=True)
class QueryResult:
    """What a query returned: column names and rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def query(folder: Path, sql: str) -> QueryResult:
    """Runs one SQL statement over the table `results`; UsageError says what is wrong with it.

    The statement reaches no files. A line that was cut off is warned of. Raises MissingPackage without DuckDB.
    """
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise MissingPackage("duckdb", "history", "asking the results") from error
    with TemporaryDirectory() as temporary:
        rows = Path(temporary) / "rows"
        _flatten(folder, rows)
        with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": temporary}) as connection:
            connection.execute("SET enable_progress_bar = false")
            typed = ", ".join(f"'{name}': '{kind}'" for name, kind in _TYPES.items())
            connection.execute(
                f"CREATE TABLE results AS SELECT * FROM read_json(?, format='newline_delimited', columns={{{typed}}})",
                [str(rows)],
            )
            connection.execute("SET enable_external_access = false")
            try:
                done = connection.execute(sql)
                columns = tuple(column[0] for column in (done and done.description) or ())
                answer = QueryResult(columns, tuple(done.fetchall()) if columns else ())
            except duckdb.Error as error:
                reason = " ".join(str(error).split())
                raise UsageError(f"the query failed: {reason}. The table is results: {', '.join(_TYPES)}") from error
    if not answer.columns:
        raise UsageError(
            "the query asks nothing: write for example SELECT model, min(latency_s) FROM results GROUP BY model"
        )
    return answer


def _flatten(folder: Path, path: Path) -> None:
    """Writes a line a record, with its columns."""
    count = 0
    with path.open("wb") as out:
        for file in store.files(folder):
            for record in store.stream(file):
                values = {name: value(record) for name, (_, value) in _COLUMNS.items()}
                out.write(msgspec.json.encode({**values, "file": shown(file)}) + b"\n")
                count += 1
    if not count:
        raise UsageError(f"{folder} holds no results: `edgebench profile` writes them, as .jsonl files")
