"""The order of the rooms is import-linter's to hold (pyproject.toml); here is what it does not say."""

import ast
from collections.abc import Collection
from pathlib import Path

import grimp
import networkx
import pytest

from edgebench.formats.format import every as formats
from edgebench.runtimes import every


@pytest.fixture(scope="module")
def imports() -> networkx.DiGraph:
    """Every import between two modules, those inside functions and for typing too."""
    found = grimp.build_graph("edgebench", cache_dir=None)
    arrows = ((module, other) for module in found.modules for other in found.find_modules_directly_imported_by(module))
    return networkx.DiGraph(arrows)


def test_a_circle_of_files_stays_inside_one_package(imports: networkx.DiGraph) -> None:
    circles = [circle for circle in networkx.strongly_connected_components(imports) if len(circle) > 1]
    packages = [{module.rpartition(".")[0] for module in circle if module.count(".") > 1} for circle in circles]
    for circle, inside in zip(circles, packages, strict=True):
        nearest = min(inside, key=len)
        assert all(package == nearest or package.startswith(f"{nearest}.") for package in inside), sorted(circle)


ROOT = Path(__file__).parents[1]
REGISTRY = "edgebench/ground/registry.py"
# "torch" is also the package that networks are written with, whatever they are exported to,
# and coremltools imports executorch where it is there.
ALLOWED = {("export/format.py", "torch"), ("export/coreml/noise.py", "executorch")}


def homes() -> dict[str, set[str]]:
    """The names of every format and runtime, and of a runtime's package, with the folders that may spell them."""
    found: dict[str, set[str]] = {}
    for each in every():
        if each.pretends:
            continue
        folders = {f"edgebench/runtimes/{each.name}/", *(f"export/{form}/" for form in each.formats)}
        for name in (each.name, each.package, each.distribution, *each.formats):
            found.setdefault(name, set()).update(folders)
    for form in formats():  # which may be written with the packages of another
        for package in {*form.packages, *form.int8_packages} & found.keys():
            found[package].add(f"export/{form.name}/")
    return found


def spelled(path: Path, names: Collection[str]) -> set[str]:
    """Which of `names` are a string, alone, in a file."""
    strings = (node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant))
    return {value for value in strings if isinstance(value, str) and value in names}


def test_a_format_or_runtime_is_named_in_its_own_folder_and_the_registry_only() -> None:
    known = homes()
    found = [
        (where, name)
        for folder in ("edgebench", "export")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not (where := path.relative_to(ROOT).as_posix()).startswith(("edgebench/formats/", REGISTRY))
        for name in spelled(path, known)
        if not where.startswith(tuple(known[name]))
    ]
    assert set(found) - ALLOWED == set()
