"""Whoever has not asked for machines, or is not root, does without those tests."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def asked_for() -> None:
    """Skips unless IMAGE=1."""
    if os.environ.get("IMAGE") != "1":
        pytest.skip("IMAGE=1 runs it: it makes an image, boots it, and takes most of an hour")
    if os.geteuid() != 0:
        pytest.fail("only root makes images and bridges")
