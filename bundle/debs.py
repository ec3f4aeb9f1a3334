"""Debian packages beyond a bare system: pinned by hash, fetched here, installed there if absent.

    requirements/debian.txt    a package a line: name, version, SHA-256 of its .deb

They come through this machine's own settings of apt, with the suites of Debian 13 in place of its
own; which mirror that is does not matter, as every hash is checked.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bundle import files
from bundle.errors import Refused

FOLDER = "debs"
LOCK = Path("requirements/debian.txt")
# The firewall; the pair's clock; the console's keyboard and font; time zones; names and networkd.
WANTED = ("nftables", "chrony", "console-setup", "kbd", "keyboard-configuration", "tzdata", "dbus")
_HEAD = """\
# Debian 13's packages in the bundle, with all that they need beyond a bare system, by
# `make lock-debian`: name, version, SHA-256.
"""
_BARE = "systemd-sysv,python3,openssl"
_SUITE, _ARCHITECTURE = "trixie", "amd64"
_HINT = "if Debian has newer ones by now: make lock-debian"


@dataclass(frozen=True)
class Deb:
    """A package of the lock."""

    name: str
    version: str
    sha256: str


def read_lock(checkout: Path) -> Sequence[Deb]:
    """What the lock names; raises OSError."""
    lines = (checkout / LOCK).read_text("ascii").splitlines()
    return [Deb(*line.split()) for line in lines if line and not line.startswith("#")]


def fetch(wanted: Sequence[Deb], folder: Path) -> None:
    """Their files in `folder`, from the cache or by apt; raises Refused, OSError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "twinpost" / FOLDER
    cache.mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    missing = [one for one in wanted if not _is(cache / one.sha256, one.sha256)]
    if missing:
        with _apt() as apt, tempfile.TemporaryDirectory(dir=cache) as fresh:
            apt("update")
            apt("download", *(f"{one.name}={one.version}" for one in missing), cwd=fresh)
            for path in Path(fresh).glob("*.deb"):
                path.replace(cache / _digest(path))
    for one in wanted:
        kept = cache / one.sha256
        if not _is(kept, one.sha256):
            raise Refused(f"{one.name} {one.version} is not the one that is pinned", _HINT)
        (folder / f"{one.name}.deb").write_bytes(kept.read_bytes())


def lock(checkout: Path) -> Sequence[Deb]:
    """Write the lock anew from what Debian has now; needs mmdebstrap. Raises Refused, OSError."""
    with _apt() as apt, tempfile.TemporaryDirectory() as folder:
        bare = Path(folder, "bare")
        _run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_BARE}", _SUITE, str(bare)]
        )
        status = f"Dir::State::status={bare}/var/lib/dpkg/status"
        apt("update")
        said = apt("-o", status, "--print-uris", "install", *WANTED)
        found = []
        for line in said.splitlines():
            if line.startswith("'"):
                name, version = line.split()[1].removesuffix(".deb").split("_")[:2]
                found.append((name, version.replace("%3a", ":")))
        apt("download", *(f"{name}={version}" for name, version in found), cwd=folder)
        by_name = {path.name.split("_")[0]: path for path in Path(folder).glob("*.deb")}
        debs = [Deb(name, version, _digest(by_name[name])) for name, version in sorted(found)]
    text = "".join(f"{one.name} {one.version} {one.sha256}\n" for one in debs)
    files.replace(checkout / LOCK, (_HEAD + text).encode("ascii"))
    (checkout / LOCK).chmod(0o644)
    return debs


def install(folder: Path, tell: Callable[[str], None]) -> None:
    """Install those that are absent; others stay as they are, whatever their version.

    Raises Refused, OSError.
    """
    absent = [path for path in sorted(folder.glob("*.deb")) if not _present(path.stem)]
    if not absent:
        return
    tell(f"Installing Debian's {', '.join(path.stem for path in absent)}.")
    # Settings that are there already are somebody's: they stay, and nobody is asked.
    options = ["--force-confdef", "--force-confold"]
    _run(["dpkg", *options, "--install", *map(str, absent)])


def _present(name: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", name]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return done.stdout == "installed"


@contextmanager
def _apt() -> Iterator[Callable[..., str]]:
    """apt-get with the mirrors and all other settings of this machine, for Debian 13."""
    with tempfile.TemporaryDirectory(prefix="twinpost-apt-") as folder:
        state = Path(folder)
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            (state / name).mkdir(parents=True)
        (state / "status").touch()
        (state / "sources.list").write_text("".join(_sources()))
        settings = {
            "Dir::Etc::sourcelist": state / "sources.list",
            "Dir::Etc::sourceparts": state / "parts",
            "Dir::State": state,
            "Dir::State::lists": state / "lists",
            "Dir::State::status": state / "status",
            "Dir::Cache": state / "cache",
            "APT::Architecture": _ARCHITECTURE,
            "APT::Architectures": _ARCHITECTURE,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

        def apt(*words: str, cwd: str = folder) -> str:
            return _run(["apt-get", "--yes", "--quiet=2", *options, *words], cwd)

        yield apt


def _sources() -> Sequence[str]:
    """The mirrors of Debian that this machine uses, with the suites of Debian 13."""
    form = "$(ORIGIN) $(REPO_URI) $(SUITE) $(CODENAME) $(SIGNED_BY)"
    found: dict[str, None] = {}
    for line in _run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    ).splitlines():
        origin, uri, *rest = line.split()
        if origin == "Debian":
            security = any("security" in one for one in (uri, *rest))
            suites = [f"{_SUITE}-security"] if security else [_SUITE, f"{_SUITE}-updates"]
            signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
            found |= {f"deb {signed} {uri} {suite} main\n": None for suite in suites}
    if not found:
        raise Refused("apt knows no mirror of Debian here", "apt-get update, on a Debian")
    return list(found)


def _run(command: Sequence[str], cwd: str = "/") -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it failed without a word"])[-1]
        raise Refused(f"{command[0]}: {last}", _HINT if command[0] == "apt-get" else "")
    return done.stdout


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is(path: Path, sha256: str) -> bool:
    return path.exists() and _digest(path) == sha256
