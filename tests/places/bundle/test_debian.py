"""Which mirrors a private apt is given, and what it says when it cannot work."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.places.bundle import debian
from edgebench.places.bundle.debian import Host

BOOKWORM = Host("debian", "bookworm", "amd64")
TRIXIE = Host("debian", "trixie", "amd64")
NOBLE = Host("ubuntu", "noble", "amd64")

DEBIAN_SOURCES = """\
# a comment
Types: deb deb-src
URIs: http://deb.debian.org/debian
Suites: trixie trixie-updates trixie-backports
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: trixie
Components: main

Types: deb
URIs: https://deb.nodesource.com/node_20.x
Suites: nodistro
Components: main
"""

UBUNTU_LIST = """\
deb http://archive.ubuntu.com/ubuntu noble main universe multiverse # the main one
#deb http://archive.ubuntu.com/ubuntu noble-proposed main
deb-src http://archive.ubuntu.com/ubuntu noble main
deb [arch=amd64 signed-by=/k.gpg] http://security.ubuntu.com/ubuntu noble-security main universe
deb cdrom:[Ubuntu 24.04]/ noble main
deb [ signed-by=/d.gpg ] https://download.docker.com/linux/ubuntu noble stable
"""


def written(folder: Path, name: str, text: str) -> Path:
    (folder / "sources.list.d").mkdir(exist_ok=True)
    (folder / "sources.list.d" / name).write_text(text)
    return folder


def test_debian_hosts_of_any_release_get_the_same_guest(tmp_path: Path) -> None:
    written(tmp_path, "debian.sources", DEBIAN_SOURCES)
    assert debian.sources(TRIXIE, tmp_path) == [
        {
            "Types": "deb",
            "URIs": "http://deb.debian.org/debian",
            "Suites": "bookworm bookworm-updates",
            "Components": "main",
            "Signed-By": "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF",
        }
    ]


def test_a_stable_alias_is_debians_own(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://mirror/debian stable main\ndeb http://x stable-foo main\n")
    (found,) = debian.sources(BOOKWORM, tmp_path)
    assert (found["URIs"], found["Suites"]) == ("http://mirror/debian", "bookworm")


def test_ubuntus_own_archive_is_told_from_others(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(UBUNTU_LIST)
    found = debian.sources(NOBLE, tmp_path)
    assert [(each["URIs"], each["Suites"], each["Components"], each.get("Signed-By")) for each in found] == [
        ("http://archive.ubuntu.com/ubuntu", "noble", "main universe", None),
        ("http://security.ubuntu.com/ubuntu", "noble-security", "main universe", "/k.gpg"),
    ]


def test_ubuntu_hosts_get_debian_by_the_keys_that_ubuntu_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    class NoNetwork(debian.Apt):
        def update(self) -> None:
            fetched.append((tmp_path / "own.sources").read_text())

        def fetch(self, packages: Sequence[str]) -> list[Path]:
            fetched.extend(packages)
            return []

    monkeypatch.setattr(debian, "Apt", NoNetwork)
    monkeypatch.setattr(debian, "sources", lambda host: [{"Types": "deb", "URIs": "http://archive.ubuntu.com/ubuntu"}])
    found = debian.debian_sources(NOBLE, tmp_path)
    assert "http://archive.ubuntu.com/ubuntu\nArchitectures: amd64" in fetched[0]
    assert fetched[1] == "debian-archive-keyring"
    assert [each["URIs"] for each in found] == list(debian.MIRRORS)
    for each in found:
        assert each["Signed-By"].startswith(str(tmp_path))
        assert "Trusted" not in each


def test_no_mirror_of_ones_own_is_told(tmp_path: Path) -> None:
    written(tmp_path, "other.sources", "Types: deb\nURIs: http://x\nSuites: nodistro\nComponents: main\n")
    with pytest.raises(UsageError, match="names no mirror of debian bookworm; add one"):
        debian.sources(BOOKWORM, tmp_path)


@given(text=st.text(max_size=300))
def test_any_text_is_read_as_sources_or_not(text: str) -> None:
    for stanza in [*debian.deb822(text), *debian.one_line(text)]:
        assert all(isinstance(value, str) for value in stanza.values())


OS_RELEASE = {
    'ID=debian\nVERSION_CODENAME=trixie\nPRETTY_NAME="Debian 13"\n': ("debian", "trixie"),
    "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n": ("ubuntu", "noble"),
    'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n': ("linuxmint", "noble"),
}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with apt-get, dpkg and dpkg-deb that do nothing; dpkg says amd64."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in {"apt-get": "exit 0", "dpkg-deb": "exit 0", "dpkg": "echo amd64"}.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize(("text", "expected"), OS_RELEASE.items())
def test_the_family_and_its_release(text: str, expected: tuple[str, str], tools: Path, tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text(text)
    found = debian.host(tmp_path / "os-release")
    assert (found.family, found.codename, found.architecture) == (*expected, "amd64")


def test_another_distribution_is_told(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text("ID=fedora\nVERSION_ID=43\n")
    with pytest.raises(UsageError, match="needs Debian or Ubuntu"):
        debian.host(tmp_path / "os-release")


def test_a_host_without_apt_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs Debian or Ubuntu, and there is no apt-get here"):
        debian.host()


def test_apts_own_reason_is_passed_on(tools: Path, tmp_path: Path) -> None:
    (tools / "apt-get").write_text(
        "#!/bin/sh\necho 'W: late' >&2\necho 'E: Could not connect to mirror' >&2\nexit 100\n"
    )
    apt = debian.Apt(tmp_path / "apt", [{"Types": "deb"}], ["arm64"])
    with pytest.raises(DeviceError, match=r"apt-get update failed: Could not connect to mirror; is the network there"):
        apt.update()


def test_the_hosts_own_apt_is_left_alone(tmp_path: Path) -> None:
    """Every folder that apt writes to is private, whatever the host's configuration says."""
    if not Path("/usr/bin/apt-config").exists():
        pytest.skip("needs apt-config")
    debian.Apt(tmp_path, [{"Types": "deb"}], ["arm64", "amd64"])
    command = ["apt-config", "-c", str(tmp_path / "apt.conf"), "dump"]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in (f'Dir::State "{tmp_path}/state";', f'Dir::Cache::archives "{tmp_path}/cache/archives";'):
        assert line in dump
    assert [line for line in dump.splitlines() if line.startswith("APT::Architectures::")] == [
        'APT::Architectures:: "arm64";',
        'APT::Architectures:: "amd64";',
    ]
    assert "Post-Invoke" not in dump


def test_unpacking_merges_usr_and_leaves_out(tmp_path: Path) -> None:
    if not Path("/usr/bin/dpkg-deb").exists():
        pytest.skip("needs dpkg-deb")
    tree = tmp_path / "tree"
    for name in ("DEBIAN", "lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/share/doc/x"):
        (tree / name).mkdir(parents=True)
    (tree / "DEBIAN/control").write_text("Package: x\nVersion: 1\nArchitecture: arm64\nMaintainer: x\nDescription: x\n")
    (tree / "lib/aarch64-linux-gnu/libc.so.6").write_text("old place")
    (tree / "usr/lib/aarch64-linux-gnu/libm.so.6").write_text("new place")
    (tree / "usr/share/doc/x/copyright").write_text("x")
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", str(tree), str(tmp_path / "x.deb")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    root = tmp_path / "root"
    debian.unpack([tmp_path / "x.deb"], root, without=["usr/share"])
    assert sorted(path.name for path in (root / "lib/aarch64-linux-gnu").iterdir()) == ["libc.so.6", "libm.so.6"]
    assert (root / "lib").is_symlink()
    assert not (root / "usr/share").exists()


def test_a_damaged_package_is_named(tmp_path: Path) -> None:
    if not Path("/usr/bin/dpkg-deb").exists():
        pytest.skip("needs dpkg-deb")
    (tmp_path / "x.deb").write_text("not a package")
    with pytest.raises(DeviceError, match=r"x\.deb cannot be unpacked"):
        debian.unpack([tmp_path / "x.deb"], tmp_path / "root")
