"""The balancer is tested on both event loops: the product runs uvloop."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support import loops


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, loops.Factory]:
    return loops.both()
