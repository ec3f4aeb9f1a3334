"""What the state of failover is told as."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from appliance.control.failover_status import failover_alarms
from appliance.ipc.failover import FailoverView, ForeignView
from tests.support.control import FAILOVER, PATH, ROUTER

BACKUP = replace(ROUTER, state="Backup", held=False, peer_active=True)


def names(view: FailoverView) -> list[str]:
    return [alarm.name for alarm in failover_alarms(view)]


def test_one_active_node_is_no_alarm() -> None:
    assert names(FAILOVER) == []
    assert names(replace(FAILOVER, routers=(BACKUP,))) == []


@pytest.mark.parametrize(
    "view, alarm",
    [
        (
            replace(FAILOVER, maintenance=True, routers=(replace(BACKUP, priority=0),)),
            "maintenance",
        ),
        (replace(FAILOVER, paths=(PATH, replace(PATH, alive=False))), "path_down"),
        (replace(FAILOVER, routers=(replace(BACKUP, peer_active=False),)), "not_served"),
        (replace(FAILOVER, routers=(replace(ROUTER, peer_active=True),)), "both_active"),
        (
            replace(FAILOVER, routers=(replace(BACKUP, priority=0, why="eth0 has no carrier"),)),
            "priority_lowered",
        ),
        (
            replace(FAILOVER, foreign=(ForeignView(address="x", hardware="02:00", ago=1),)),
            "address_conflict",
        ),
    ],
)
def test_what_is_alarmed(view: FailoverView, alarm: str) -> None:
    assert names(view) == [alarm]


def test_a_peer_that_is_gone_is_no_matter_of_its_paths() -> None:
    dark = replace(FAILOVER, peer_alive=False, paths=(replace(PATH, alive=False),))
    assert names(dark) == []
