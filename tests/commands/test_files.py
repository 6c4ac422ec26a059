"""Files that a command cannot write or read: refused before it works, in one sentence and with exit code 2."""

from pathlib import Path

import pytest

from edgebench import api
from edgebench.ground.errors import UsageError

OUTPUTS = {
    "noise": lambda path: api.noise(output=path / "x.toml"),
    "plot": lambda path: api.plot(output=path / "x.toml", kind="pareto"),
    "report": lambda path: api.report(output=path / "x.toml"),
    "profile": lambda path: api.profile("lenet5", trace=path / "x.toml"),
    "scale": lambda path: api.scale("rpi4", "mobilenetv1", sweep=path / "x.toml"),
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_folder_in_place_of_an_output_is_found_before_the_work(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "x.toml" / "kept"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(UsageError, match=r"cannot write .*x\.toml: it is a folder"):
        OUTPUTS[command](tmp_path)
    assert (kept.read_text(), sorted(tmp_path.iterdir())) == ("mine", [kept.parent])


@pytest.mark.parametrize("name", ["noise.jsonl", "noise"])
def test_a_noise_file_that_fail_on_would_not_take_is_not_learned(name: str) -> None:
    with pytest.raises(UsageError, match="give a name in .toml"):
        api.noise(output=name)
