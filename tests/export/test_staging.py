import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgebench.formats.staging import check_replaceable, publish, staging
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
    with pytest.raises(UsageError, match="choose another folder with `output`"), staging(tmp_path / "file" / "inside"):
        pass


def test_folder_without_permission_is_a_usage_error(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(UsageError, match="no permission to write"), staging(tmp_path):
        pass
    assert list(Path(tmp_path).iterdir()) == []


def test_a_folder_is_never_moved_for_a_file(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    with pytest.raises(UsageError, match="photos is a folder"), staging(tmp_path) as staged:
        (staged / "photos").write_text("threshold")
        publish(staged, tmp_path, ["photos"])
    assert [path.name for path in tmp_path.rglob("*")] == ["photos", "cat.jpg"]


def test_a_link_is_followed_to_its_file(tmp_path):
    (tmp_path / "real.onnx").write_text("old")
    (tmp_path / "net.onnx").symlink_to("real.onnx")
    with staging(tmp_path) as staged:
        (staged / "net.onnx").write_text("new")
        publish(staged, tmp_path, ["net.onnx"])
    assert (tmp_path / "net.onnx").is_symlink()
    assert (tmp_path / "real.onnx").read_text() == "new"


@pytest.mark.parametrize("ours", [True, False])
def test_what_is_no_file_is_never_replaced(tmp_path, ours):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="edgebench did not make it"):
        check_replaceable(tmp_path / "pipe", ours=ours)
    check_replaceable(tmp_path / "nothing", ours=ours)


def test_a_killed_export_leaves_nothing_once_another_has_run(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from edgebench.formats.staging import staging\n"
        "with staging(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, timeout=60)
    assert [path.name for path in tmp_path.rglob("half")] == ["half"]
    with staging(tmp_path) as first, staging(tmp_path) as second:
        assert first.is_dir() and second.is_dir()
    assert list(tmp_path.iterdir()) == []
