"""The built wheel and sdist hold everything, and the wheel works from another folder without the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it, both made from a copy of the tracked files."""
    source = tmp_path_factory.mktemp("source") / "edgebench"
    ignored = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "artifacts", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, source, symlinks=True, ignore=ignored)
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def test_the_wheel_holds_every_module_and_device(built: tuple[Path, Path]) -> None:
    names = set(zipfile.ZipFile(built[1]).namelist())
    for folder, pattern, name in (("export", "*.py", "formats"), ("devices", "*.toml", "devices")):
        for path in (ROOT / folder).rglob(pattern):
            assert f"edgebench/{name}/{path.relative_to(ROOT / folder)}" in names
    for path in (ROOT / "edgebench").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    assert not any(name.startswith(("export/", "devices/", "tests/")) for name in names)


def test_the_sdist_holds_the_real_folders_and_no_links(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        members = archive.getmembers()
    names = {member.name.partition("/")[2] for member in members}
    assert not any(member.issym() or member.islnk() for member in members)
    for path in [*(ROOT / "export").rglob("*.py"), *(ROOT / "devices").rglob("*.toml"), ROOT / "LICENSE"]:
        assert str(path.relative_to(ROOT)) in names


def test_the_wheel_runs_from_another_folder(built: tuple[Path, Path], tmp_path: Path) -> None:
    """A new environment that borrows this one's dependencies, but gets edgebench from the wheel alone."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", built[1]]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    import click

    environment = {**os.environ, "EDGEBENCH_SITE": str(Path(click.__file__).parent.parent)}
    script = (
        "import os, sys; import edgebench; assert 'venv' in edgebench.__file__, edgebench.__file__;"
        "sys.path.append(os.environ['EDGEBENCH_SITE']); sys.argv = ['edgebench', 'devices', 'rpi4', '--json'];"
        "from edgebench.cli import main; main()"
    )
    done = subprocess.run(
        [python, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert '"rpi4"' in done.stdout
