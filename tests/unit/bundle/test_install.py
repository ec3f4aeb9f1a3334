"""Releases stand side by side, and until the very end an installation touches nothing in use."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bundle import files, keys
from bundle.build import Signer
from bundle.errors import Refused
from bundle.install import Prefix, install
from bundle.manifest import Version
from tests.unit.bundle.parts import TARGET, bundle_of, installable, private_key


class Site:
    """A prefix, and who signs its bundles."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = Prefix(folder / "opt")
        self.private = private_key(folder)
        self.signer = Signer(self.private)

    def bundle(self, version: str, more: str = "") -> Path:
        return installable(self.folder, self.signer, version, more)

    def install(self, bundle: Path, **options: bool) -> Version:
        key = self.prefix.trusted_key() or keys.public(self.private)
        return install(bundle, self.prefix, key, system=TARGET, tell=lambda text: None, **options)

    def says(self) -> str:
        """The version that the release in use says it is."""
        command = [str(self.prefix.current / "venv/bin/twinpost"), "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_releases_stand_side_by_side(site: Site) -> None:
    site.install(site.bundle("1.2.3"))
    assert site.says() == "1.2.3"
    site.install(site.bundle("1.10.0"))
    assert site.says() == "1.10.0"
    with pytest.raises(Refused, match=r"older than 1\.10\.0"):
        site.install(site.bundle("1.2.3"))
    assert site.says() == "1.10.0"
    site.install(site.bundle("1.2.3"), allow_downgrade=True)
    assert site.says() == "1.2.3"
    assert not site.prefix.incoming.exists()


def test_another_bundle_of_the_version_in_use_is_refused(site: Site) -> None:
    site.install(site.bundle("1.2.3"))
    site.install(site.bundle("1.2.3"))
    with pytest.raises(Refused, match="is in use"):
        site.install(site.bundle("1.2.3", "other"))
    assert site.says() == "1.2.3"


def test_what_is_for_another_system_is_refused(site: Site) -> None:
    with pytest.raises(Refused, match="this is debian13-amd64"):
        install(
            site.bundle("1.2.3"),
            site.prefix,
            keys.public(site.private),
            system="debian13-amd64",
            tell=lambda text: None,
        )
    assert site.prefix.version() is None


def test_a_bundle_that_cannot_be_installed_leaves_all_as_it_was(site: Site) -> None:
    site.install(site.bundle("1.2.3"))
    with pytest.raises(Refused, match="no pip"):
        site.install(bundle_of(site.folder, {"requirements.txt": b""}, site.signer, "1.2.4"))
    assert site.says() == "1.2.3"


def test_one_installation_at_a_time(site: Site) -> None:
    with site.prefix.locked(), pytest.raises(Refused, match="under way"):
        site.install(site.bundle("1.2.3"))


class Crash(BaseException):
    """The power went."""


def test_a_crash_at_any_write_leaves_the_old_release_or_the_new_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps of an update that are this code's own: copy, unpack, complete, current, key."""
    site.install(site.bundle("1.2.3"))
    update, steps = site.bundle("1.2.4"), 0
    real = {name: getattr(files, name) for name in ("write", "sync", "point", "replace")}

    def crash_at(step: int) -> None:
        seen = [0]

        def crashing(name: str) -> None:
            def call(*arguments: object) -> None:
                if seen[0] == step:
                    raise Crash
                seen[0] += 1
                real[name](*arguments)

            monkeypatch.setattr(files, name, call)

        for name in real:
            crashing(name)

    while True:
        crash_at(steps)
        try:
            site.install(update)
        except Crash:
            assert site.says() in ("1.2.3", "1.2.4")
            steps += 1
        else:
            break
    monkeypatch.undo()
    assert steps >= 10
    assert site.install(update) == Version((1, 2, 4))
    assert site.says() == "1.2.4"
