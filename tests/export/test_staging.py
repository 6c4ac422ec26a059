from pathlib import Path

import pytest

from edgebench.formats.staging import publish, staging
from edgebench.ground.errors import UsageError


def test_published_files_stay_and_the_rest_goes(tmp_path):
    with staging(tmp_path / "new") as staged:
        (staged / "net.onnx").write_text("net")
        (staged / "scratch").write_text("")
        publish(staged, tmp_path / "new", ["net.onnx"])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["net.onnx"]


def test_folder_replaces_folder(tmp_path):
    for content in ("old", "new"):
        with staging(tmp_path) as staged:
            (staged / "net.mlpackage").mkdir()
            (staged / "net.mlpackage" / content).write_text(content)
            publish(staged, tmp_path, ["net.mlpackage"])
    assert [path.name for path in tmp_path.rglob("*")] == ["net.mlpackage", "new"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_failure_leaves_no_folder_that_was_not_there(tmp_path, error):
    (tmp_path / "kept").mkdir()
    with pytest.raises(error), staging(tmp_path / "kept" / "a" / "b") as staged:
        (staged / "half").write_text("")
        raise error
    assert list(tmp_path.rglob("*")) == [tmp_path / "kept"]


def test_folder_that_cannot_be_made_is_a_usage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="choose another folder with -o"), staging(tmp_path / "file" / "inside"):
        pass


def test_folder_without_permission_is_a_usage_error(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(UsageError, match="no permission to write"), staging(tmp_path):
        pass
    assert list(Path(tmp_path).iterdir()) == []
