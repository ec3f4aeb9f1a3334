"""Machines with two releases, made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle import files, keys
from bundle.build import Signer
from bundle.install import Prefix, install
from tests.unit.bundle.parts import TARGET, installable, private_key
from tests.unit.bundle.world import NEW, OLD, Power, World


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases that lie side by side, the old one in use; and the bundle of the new one."""
    folder = tmp_path_factory.mktemp("machine")
    signer = Signer(private_key(folder))
    prefix, key = Prefix(folder / "opt"), keys.public(private_key(folder))
    for version in (NEW, OLD):
        bundle = installable(folder, signer, version)
        install(bundle, prefix, key, system=TARGET, allow_downgrade=True, tell=lambda text: None)
    bundle = folder / f"twinpost-{NEW}.bundle"
    bundle.rename(folder / "new.bundle")
    (folder / "data").mkdir()
    (folder / "data" / "spool.db").write_text(f"data of {OLD}")
    return folder


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Power:
    """Every change by `bundle.files` counts, too. The power is only played with: no fsync."""
    found = Power()
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("os.sync", lambda: None)
    for name in ("write", "replace", "point", "sync"):
        real = getattr(files, name)

        def changing(*arguments: object, real: Callable[..., None] = real, **more: object) -> None:
            found.change(real.__name__)
            real(*arguments, **more)

        monkeypatch.setattr(files, name, changing)
    return found


@pytest.fixture
def make(template: Path, tmp_path: Path, power: Power) -> Callable[[], World]:
    """A fresh machine."""

    def made() -> World:
        shutil.rmtree(tmp_path / "machine", ignore_errors=True)
        opt = tmp_path / "machine" / "opt"
        (opt / "releases").mkdir(parents=True)
        for version in (OLD, NEW):  # nothing changes them
            (opt / "releases" / version).symlink_to(template / "opt" / "releases" / version)
        (opt / "current").symlink_to(f"releases/{OLD}")
        shutil.copy(template / "opt" / "trusted.pem", opt)
        shutil.copytree(template / "data", tmp_path / "machine" / "data")
        shutil.copy(template / "new.bundle", tmp_path / "machine" / "new.bundle")
        power.fresh()
        return World(tmp_path / "machine", power)

    return made


@pytest.fixture
def world(make: Callable[[], World]) -> World:
    return make()
