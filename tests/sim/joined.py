"""Two engines joined by hand, for schedules to the single frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from appliance.replica.pair import Mode, Timing
from appliance.spool.sizes import Sizes
from tests.support.disk_vfs import DiskVFS
from tests.support.duo import Duo
from tests.support.spool import check_spool

LARGE = b"large " * 100
names = count(1)


@contextmanager
def duo(sizes: Sizes | None = None, timing: Timing | None = None) -> Iterator[Duo]:
    """Two nodes that are paired."""
    with (
        DiskVFS(f"exact{next(names)}") as vfs,
        Duo(vfs, sizes=sizes or Sizes(), timing=timing) as two,
    ):
        two.start()
        yield two


def paired_is_whole(two: Duo) -> None:
    """Nodes that say they are paired hold the same, and hold what they say."""
    for station in (two.a, two.b):
        if station.engine.pair.mode is Mode.PAIRED:
            assert two.same(), "paired, and not the same"
        check_spool(station.store, station.bodies)
