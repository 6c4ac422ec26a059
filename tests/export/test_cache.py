import pytest

from edgebench.formats import cache
from edgebench.ground.records import ExportSpec, ModelSpec

SPEC, EXPORT = ModelSpec(name="lenet5", family="lenet"), ExportSpec(format="onnx")


@pytest.mark.parametrize(
    "other",
    [
        (ModelSpec(name="lenet5", family="lenet", width=0.5), EXPORT, None, 0),
        (SPEC, ExportSpec(format="onnx", precision="fp16"), None, 0),
        (SPEC, EXPORT, "a" * 64, 0),
        (SPEC, EXPORT, None, 1),
    ],
)
def test_key_covers_specs_weights_and_seed(other):
    assert cache.key(*other) != cache.key(SPEC, EXPORT, None, 0) == cache.key(SPEC, EXPORT, None, 0)


def test_key_covers_the_versions_of_the_formats_own_tools(monkeypatch):
    before = cache.key(SPEC, EXPORT, None, 0), cache.key(SPEC, ExportSpec(format="torch"), None, 0)
    monkeypatch.setattr(cache, "installed_version", lambda name: "9" if name == "onnx" else "1")
    first = cache.key(SPEC, EXPORT, None, 0), cache.key(SPEC, ExportSpec(format="torch"), None, 0)
    monkeypatch.setattr(cache, "installed_version", lambda name: "10" if name == "onnx" else "1")
    second = cache.key(SPEC, EXPORT, None, 0), cache.key(SPEC, ExportSpec(format="torch"), None, 0)
    assert len({before[0], first[0], second[0]}) == 3
    assert first[1] == second[1]


def test_key_covers_our_own_source(monkeypatch):
    before = cache.key(SPEC, EXPORT, None, 0)
    monkeypatch.setattr(cache, "_source_sha256", lambda: "another")
    assert cache.key(SPEC, EXPORT, None, 0) != before


def test_every_source_that_decides_what_is_written_is_hashed():
    assert all(list((cache.ROOT / name).rglob("*.py")) for name in cache.SOURCES)


def test_users_factories_are_not_cacheable():
    assert cache.cacheable(SPEC)
    assert not cache.cacheable(ModelSpec(name="nets.py:make", family="user"))
    assert not cache.cacheable(ModelSpec(name="package.nets:make", family="user"))
