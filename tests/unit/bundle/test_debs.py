"""Debian's packages in the bundle are the pinned ones, whatever a mirror or a cache hands out."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from bundle import debs
from bundle.debs import Deb, fetch, read_lock
from bundle.errors import Refused

CHECKOUT = Path(__file__).parents[3]


def test_the_lock_pins_what_is_wanted() -> None:
    pinned = read_lock(CHECKOUT)
    assert {"nftables", "chrony", "console-setup"} <= {one.name for one in pinned}
    assert all(re.fullmatch("[0-9a-f]{64}", one.sha256) for one in pinned)
    assert "://" not in (CHECKOUT / debs.LOCK).read_text()


def test_what_is_in_the_cache_needs_no_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    digest = hashlib.sha256(b"a package").hexdigest()
    cache = tmp_path / "twinpost" / "debs"
    cache.mkdir(parents=True)
    (cache / digest).write_bytes(b"a package")
    fetch([Deb("one", "1.0", digest)], tmp_path / "into")
    assert (tmp_path / "into" / "one.deb").read_bytes() == b"a package"


def test_another_package_than_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    apt = commands / "apt-get"
    apt.write_text(
        '#!/bin/sh\ncase "$*" in\n'
        '*indextargets*) echo "Debian http://mirror.test/debian/ stable bookworm x";;\n'
        "*download*) echo other >one_1.0_amd64.deb;;\nesac\n"
    )
    apt.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")
    wanted = Deb("one", "1.0", hashlib.sha256(b"a package").hexdigest())
    with pytest.raises(Refused, match="not the one that is pinned"):
        fetch([wanted], tmp_path / "into")
    assert not (tmp_path / "into" / "one.deb").exists()
