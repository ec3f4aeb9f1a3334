"""`make bundle`: from a checkout to one signed file, the same bytes whenever and wherever.

Everything comes from the lock: wheels by hash, and Debian packages by hash. Our own wheel is built
from a copy of the checkout in which times, modes and order are set.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle import archive, debs, files, keys, trust
from bundle.archive import Front
from bundle.errors import Refused
from bundle.install import REQUIREMENTS, WHEELS
from bundle.manifest import Entry, Manifest, Version, check_path
from bundle.trust import Rotation

TARGET = "debian13-amd64"
_PYTHON = "3.13"
# Of manylinux all that Debian 13's glibc 2.41 can run and packages are built for.
_PLATFORMS = [f"manylinux{one}" for one in ("_2_34", "_2_28", "_2_17", "2014", "_2_5", "1")]
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "appliance", "tui", "bundle")
_EPOCH = "1577836800"  # 2020-01-01: any moment does, if it is always the same


@dataclass(frozen=True)
class Signer:
    """`private`: the file of the key. `rotations`: all changes of keys until this one."""

    private: Path
    rotations: Sequence[Rotation] = ()
    test: bool = False


def build(checkout: Path, target: Path, signer: Signer, tell: Callable[[str], None]) -> Manifest:
    """Make the bundle in the new file `target`; raises Refused, OSError."""
    with tempfile.TemporaryDirectory(prefix="twinpost-bundle-") as folder:
        root = Path(folder) / "files"
        wheels = root / WHEELS
        wheels.mkdir(parents=True)
        tell("Fetching the wheels that requirements/ names.")
        fetch_wheels(checkout, wheels)
        tell("Building Twinpost's own wheel.")
        own = own_wheel(checkout, Path(folder) / "source", wheels)
        _write_requirements(checkout, own, root / REQUIREMENTS)
        _licences(wheels, root / "licences")
        tell("Fetching the Debian packages that requirements/ names.")
        debs.fetch(debs.read_lock(checkout), root / debs.FOLDER)
        shutil.copytree(checkout / "bundle" / "system", root / "system")
        for name in ("CHANGELOG.md", "LICENSE"):
            shutil.copyfile(checkout / name, root / name)
        manifest = describe(root, version(checkout), test=signer.test)
        tell("Signing.")
        write(manifest, root, target, signer)
        return manifest


def version(checkout: Path) -> Version:
    """The release that a checkout is; raises Refused."""
    with (checkout / "pyproject.toml").open("rb") as file:
        return Version.parse(tomllib.load(file)["project"]["version"])


def describe(root: Path, version: Version, *, test: bool = False, target: str = TARGET) -> Manifest:
    """The manifest of all files below `root`."""
    entries = []
    for path in root.rglob("*"):
        if path.is_file():
            name = check_path(path.relative_to(root).as_posix())
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            entries.append(Entry(name, path.stat().st_size, digest))
    return Manifest(version, target, tuple(sorted(entries, key=lambda one: one.path)), test)


def write(manifest: Manifest, root: Path, target: Path, signer: Signer) -> None:
    """Sign and write; `target` is there whole, or not at all."""
    front = Front(
        manifest.encode(),
        keys.sign(signer.private, manifest.encode()),
        trust.encode(signer.rotations),
    )
    draft = target.with_name(target.name + ".part")
    try:
        with draft.open("wb") as file:
            archive.write(file, front, root)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
        files.sync(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def fetch_wheels(checkout: Path, wheels: Path) -> None:
    """What the lock names, for Debian 13's Python; pip checks each hash. Raises Refused."""
    machine = "x86_64"
    options = ["--only-binary", ":all:", "--no-deps", "--require-hashes"]
    options += ["--implementation", "cp", "--python-version", _PYTHON]
    options += ["--abi", "cp313", "--abi", "abi3", "--abi", "none"]
    for platform in _PLATFORMS:
        options += ["--platform", f"{platform}_{machine}"]
    for lock in ("runtime.txt", "installer.txt"):
        _pip("download", "--quiet", *options, "--dest", str(wheels), "--requirement")(
            str(checkout / "requirements" / lock)
        )


def own_wheel(checkout: Path, source: Path, wheels: Path) -> Path:
    """Twinpost's wheel in `wheels`, built from a copy in `source`; raises Refused."""
    source.mkdir()
    for name in _SOURCES:
        if (checkout / name).is_dir():
            shutil.copytree(
                checkout / name,
                source / name,
                ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
            )
        else:
            shutil.copyfile(checkout / name, source / name)
    for path in [source, *source.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    _pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")(
        "--wheel-dir", str(wheels), str(source)
    )
    return next(wheels.glob("twinpost-*.whl"))


def _write_requirements(checkout: Path, own: Path, target: Path) -> None:
    lock = (checkout / "requirements" / "runtime.txt").read_text("utf-8")
    name, number, *_ = own.name.split("-")
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    target.write_text(f"{lock}{name}=={number} --hash=sha256:{digest}\n", "utf-8")


def _licences(wheels: Path, folder: Path) -> None:
    """What the licences of the packages ask to be passed on, a folder a package."""
    for wheel in sorted(wheels.glob("*.whl")):
        package = re.sub(r"[^A-Za-z0-9._-]", "_", wheel.name.split("-")[0])
        with zipfile.ZipFile(wheel) as packed:
            for number, name in enumerate(sorted(filter(_is_licence, packed.namelist()))):
                place = (
                    folder / package / f"{number}-{re.sub('[^A-Za-z0-9._-]', '_', Path(name).name)}"
                )
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(packed.read(name))


def _is_licence(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    known = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS", "METADATA")
    return ".dist-info" in folder and file.upper().startswith(known)


def _pip(*arguments: str) -> Callable[..., None]:
    def run(*more: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, *more],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH},
            umask=0o022,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it failed without a word"])[-1]
            raise Refused(f"pip {arguments[0]}: {last}", "is a package index reachable?")

    return run
