"""Where device profiles are found: the user's own first, then the shipped ones."""

from __future__ import annotations

from pathlib import Path

from edgebench.ground.paths import configuration_folder

# A wheel is always unpacked; importlib.resources alone would cost a sixth of what `edgebench devices` takes.
_SHIPPED = Path(__file__).parents[1] / "devices"


def names() -> list[str]:
    """The names of all profiles, the host first; nothing is parsed."""
    own = (path.stem for folder in user_folders() for path in folder.glob("*.toml") if "." not in path.stem)
    shipped = (path.stem for path in _SHIPPED.glob("*.toml"))
    return sorted({*shipped, *own}, key=lambda stem: (stem != "host", stem))


def find(name: str) -> tuple[bytes, str]:
    """The text of one of `names` and the path that messages call it by. Raises OSError."""
    for folder in user_folders():
        path = folder / f"{name}.toml"
        if path.is_file():
            return path.read_bytes(), str(path)
    return (_SHIPPED / f"{name}.toml").read_bytes(), f"devices/{name}.toml"


def find_calibrations(name: str) -> tuple[bytes, str] | None:
    """The calibrations that a user made for a device and the path of their file, if there are any. Raises OSError."""
    for folder in user_folders():
        path = calibrations_file(folder, name)
        if path.is_file():
            return path.read_bytes(), str(path)
    return None


def calibrations_file(folder: Path, name: str) -> Path:
    """Where a user's own calibrations of a device lie, beside its .toml if that is the user's own too."""
    return folder / f"{name}.calibrations.toml"


def user_folders() -> tuple[Path, Path]:
    """The folders of a user's own profiles: ./devices, and devices in the configuration folder. A profile in the first
    overrides one in the second, and that one a shipped one."""
    return Path("devices"), configuration_folder() / "devices"
