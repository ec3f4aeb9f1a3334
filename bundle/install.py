"""Releases side by side in a prefix, one of them current; another takes its place in one step.

    PREFIX/releases/1.2.3/   an environment and what came with it; `complete` is written last
    PREFIX/current           a link to the release in use
    PREFIX/updater           a link to the release that carries out an update
    PREFIX/update/           how far that is (see update.py)
    PREFIX/trusted.pem       the key that bundles have to be signed by
    PREFIX/test-key          there where that key was made for tests, and was asked for

**Commit point** of an installation: the link `current` is replaced. Crash windows: before it,
nothing is in use that was not before, and what is half made is made anew by the next installation;
after it, the new key may not be stored yet, which the next bundle's rotations lead to again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bundle import debs, files, verify
from bundle.errors import Refused
from bundle.keys import PublicKey
from bundle.manifest import Manifest, Version
from bundle.verify import Verified

REQUIREMENTS = "requirements.txt"
WHEELS = "wheels"
_COMPLETE = "complete"
_PIP_PATIENCE = 900.0


class Prefix:
    """Where releases lie: /opt/twinpost."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.releases = path / "releases"
        self.current = path / "current"
        self.updater = path / "updater"
        self.trusted = path / "trusted.pem"
        self.test_key = path / "test-key"
        self.incoming = path / "incoming"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One installation at a time; what an earlier one left half done is removed."""
        self.releases.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused("another installation is under way", "wait for its end") from None
            shutil.rmtree(self.incoming, ignore_errors=True)
            self.incoming.mkdir(mode=0o700)
            yield
            shutil.rmtree(self.incoming, ignore_errors=True)
        finally:
            os.close(descriptor)

    def version(self) -> Version | None:
        """The release in use."""
        try:
            return Version.parse(Path(os.readlink(self.current)).name)
        except FileNotFoundError:
            return None

    def use(self, version: Version) -> None:
        """Have it in use from now on, in one step."""
        files.point(self.current, f"releases/{version}")

    def trust(self, key: str, *, test: bool) -> None:
        """Trust bundles that this key (PEM) has signed from now on, also if it is for tests."""
        files.replace(self.trusted, key.encode("ascii"))
        if test:
            files.replace(self.test_key, b"")

    def has(self, version: Version) -> bool:
        """The release is here, whole."""
        return (self.release(version) / _COMPLETE).exists()

    def keep_only(self, *versions: Version) -> None:
        """Remove all other releases."""
        for folder in self.releases.iterdir():
            if folder.name not in map(str, versions):
                shutil.rmtree(folder, ignore_errors=True)

    def release(self, version: Version) -> Path:
        """Where a release lies."""
        return self.releases / str(version)

    def trusted_key(self) -> PublicKey | None:
        """Who has to have signed a bundle; None where none was installed yet."""
        try:
            return PublicKey.parse(self.trusted.read_text("ascii"))
        except FileNotFoundError:
            return None


def target() -> str:
    """This system as manifests name it, for example "debian13-amd64"."""
    release = platform.freedesktop_os_release()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{release.get('ID', 'linux')}{release.get('VERSION_ID', '')}-{machine}"


def install(
    bundle: Path,
    prefix: Prefix,
    trusted: PublicKey,
    *,
    system: str,
    allow_downgrade: bool = False,
    allow_test_key: bool = False,
    tell: Callable[[str], None],
) -> Version:
    """Copy, verify, unpack and make current what is in the file `bundle`; raises Refused, OSError.

    Until the very end nothing that is in use is touched.
    """
    with prefix.locked():
        tell("Copying the bundle off its stick.")
        copy = prefix.incoming / "bundle"
        verify.fetch(bundle, copy)
        tell("Verifying the copy.")
        verified = verify.verify(copy, trusted, allow_test_key=allow_test_key)
        check(verified.manifest, prefix.version(), system, allow_downgrade=allow_downgrade)
        version = verified.manifest.version
        tell(f"Installing Twinpost {version}.")
        beside(verified, prefix)
        prefix.use(version)
        prefix.trust(verified.key.pem, test=verified.manifest.test)
        return version


def beside(verified: Verified, prefix: Prefix) -> None:
    """Make its release, complete and synced, while `prefix` is locked; nothing uses it yet.

    Raises Refused, OSError.
    """
    release = prefix.release(verified.manifest.version)
    _make(verified, prefix, release)
    for folder in (release, prefix.releases):
        files.sync(folder)


def check(
    manifest: Manifest, installed: Version | None, system: str, *, allow_downgrade: bool
) -> None:
    """Raise Refused if a bundle is not for here."""
    if manifest.target != system:
        raise Refused(
            f"the bundle is for {manifest.target}, this is {system}", "get the one for this system"
        )
    if installed is not None and manifest.version < installed and not allow_downgrade:
        raise Refused(
            f"the bundle holds {manifest.version}, older than {installed}, which is in use",
            "--allow-downgrade installs it all the same; what a newer release has stored it may "
            "not be able to read",
        )


def _make(bundle: Verified, prefix: Prefix, release: Path) -> None:
    """The release in its folder, complete and synced; one that is there already is kept."""
    digest = hashlib.sha256(bundle.manifest.encode()).hexdigest()
    complete = release / _COMPLETE
    if complete.exists() and complete.read_text("ascii").strip() == digest:
        return
    if prefix.version() == bundle.manifest.version:
        raise Refused(
            f"another bundle of {bundle.manifest.version} is in use",
            "a bundle with changes has a version of its own",
        )
    unpacked = prefix.incoming / "files"
    verify.unpack(bundle, unpacked)
    shutil.rmtree(release, ignore_errors=True)
    release.mkdir()
    _environment(release / "venv", unpacked)
    for name in ("licences", "system", debs.FOLDER):
        if (unpacked / name).exists():
            shutil.copytree(unpacked / name, release / name)
    for name in ("CHANGELOG.md", "LICENSE"):
        shutil.copyfile(unpacked / name, release / name)
    _try_out(release, bundle.manifest.version)
    os.sync()  # thousands of files of the environment, in one go
    files.write(complete, [digest.encode("ascii") + b"\n"])


def _environment(venv: Path, unpacked: Path) -> None:
    """A virtual environment of the bundle's wheels alone: no index, no settings of pip's."""
    _run([sys.executable, "-I", "-m", "venv", "--without-pip", str(venv)], "the environment")
    wheels = unpacked / WHEELS
    pip = next(wheels.glob("pip-*.whl"), None)
    if pip is None:
        raise Refused("there is no pip in the bundle", "have a new one made")
    install = [str(venv / "bin" / "python"), "-P", f"{pip}/pip", "install", "--quiet"]
    install += ["--no-index", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    install += ["--no-cache-dir", "--disable-pip-version-check", "--root-user-action", "ignore"]
    install += ["--find-links", str(wheels), "--requirement", str(unpacked / REQUIREMENTS)]
    _run(install, "the packages")


def _try_out(release: Path, version: Version) -> None:
    said = _run([str(release / "venv/bin/twinpost"), "--version"], "the release")
    if str(version) not in said.split():
        raise Refused(f"the release calls itself {said.strip()!r}", "have a new bundle made")


def _run(command: Sequence[str], what: str) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "HOME": "/nonexistent"}
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        timeout=_PIP_PATIENCE,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it failed without a word"])[-1]
        raise Refused(f"{what} could not be made: {last}", "nothing was changed; try again")
    return done.stdout
