"""Whoever has not asked for it, or is not root, does without."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.install.machine import NEEDED


@pytest.fixture(scope="session", autouse=True)
def _asked_for() -> None:
    if os.environ.get("INSTALL") != "1":
        pytest.skip("INSTALL=1 runs it: it makes a Debian 13 and takes minutes")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.fail(f"missing: {', '.join(missing)}")
