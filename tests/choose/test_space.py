"""The space: no network twice, published points and the compound line in it, strides and ranges respected."""

import itertools

import numpy as np
import pytest

from edgebench.choose.scalable import BASES, FAMILIES, bases
from edgebench.choose.space import BEYOND_PRIOR, Line, Space, space
from edgebench.ground.errors import UsageError
from edgebench.models import names, plan_of, resolve
from edgebench.models.scaling import compound


@pytest.fixture(scope="module")
def found() -> Space:
    return space(BASES["mobilenetv2"])


def specs_at(found: Space, positions: np.ndarray) -> list:
    grid, points = found.grid, found.points
    return [
        resolve(
            grid.base.name,
            width=grid.widths[points.width[index]],
            depth=grid.depths[points.depth[index]],
            resolution=grid.resolutions[points.resolution[index]],
        )
        for index in positions
    ]


def test_no_two_candidates_are_the_same_network(found: Space) -> None:
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(found), 400, replace=False)
    networks = [(plan_of(spec), spec.resolution) for spec in specs_at(found, chosen)]
    assert len(set(networks)) == len(networks)
    widths = [plan_of(resolve("mobilenetv2", width=width)) for width in found.grid.widths]
    assert all(one != other for one, other in itertools.combinations(widths, 2))
    assert len(set(found.grid.repeats)) == len(found.grid.depths)


def test_equal_networks_go_by_the_published_or_the_round_value(found: Space) -> None:
    assert {1.0, 0.5, 0.75} <= set(found.grid.widths)
    assert 1.0 in found.grid.depths


@pytest.mark.parametrize("family", FAMILIES)
def test_every_published_network_is_a_candidate(family: str) -> None:
    inside = {name for base in bases(family) for name in space(base).published}
    scaled = {name for name in names() if resolve(name).family == family and resolve(name).resolution > 32}
    assert inside == {name for name in scaled if not name.startswith("plain")}


def test_the_compound_line_is_in_the_space(found: Space) -> None:
    named = np.array([index for index, name in found.origin.items() if "1.2/1.1/1.15" in name])
    networks = {(plan_of(spec), spec.resolution) for spec in specs_at(found, named)}
    for phi in (-2.0, -1.0, 0.5, 1.0, 2.0):
        wanted = resolve("mobilenetv2", phi=phi)
        assert (plan_of(wanted), wanted.resolution) in networks


@pytest.mark.parametrize("phi", [-3.0, -0.5, 0.0, 1.0, 2.5, 6.0])
def test_the_default_line_is_the_papers(phi: float) -> None:
    assert Line().point(phi, 224) == pytest.approx(compound(phi))


def test_resolutions_use_every_stride() -> None:
    wide = space(BASES["efficientnet"], extent=BEYOND_PRIOR)
    assert min(wide.grid.resolutions) >= 32
    assert max(wide.grid.widths) > max(space(BASES["efficientnet"]).grid.widths)


@pytest.mark.parametrize("line", [(1.2, 1.2, 1.2), (0.9, 1.2, 1.24), (1.0, 1.0, 1.0)])
def test_a_line_that_does_not_double_the_cost_is_refused(line: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match="no compound line"):
        Line(*line)


def test_an_unknown_family_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'mobilnetv2'.*did you mean mobilenetv2"):
        bases("mobilnetv2")
