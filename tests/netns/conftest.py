"""The lab of a test, skipped where none can be built."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from tests.netns.lab import Lab, unusable

_reason = cache(unusable)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab; the test's own sockets are the client's."""
    if reason := _reason():
        pytest.skip(reason)
    with Lab() as lab, lab.client.namespace.entered():
        yield lab
