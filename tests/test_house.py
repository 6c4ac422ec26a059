"""The order of the rooms is import-linter's to hold (pyproject.toml); here is what it does not say."""

import grimp
import networkx
import pytest


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
