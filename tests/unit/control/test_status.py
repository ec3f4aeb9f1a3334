"""Alarms and the sentence on top."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from appliance.control.schema import Severity
from appliance.control.status import alarms, health, summary
from appliance.mail.views import MailView
from appliance.monitor.snapshot import Disk, Process
from tests.support.control import MAIL

DISK = Disk(free=50, total=100)


def names(
    mail: MailView | None, *processes: Process, disk: Disk = DISK, paired: bool = True
) -> list[str]:
    return [alarm.name for alarm in alarms(mail, processes, disk, paired)]


def test_a_healthy_pair_has_no_alarm() -> None:
    assert names(MAIL) == []
    assert "both nodes" in summary([])


@pytest.mark.parametrize(
    "change, alarm",
    [
        ({"mode": "solo"}, "solo"),
        ({"mode": "split"}, "split"),
        ({"mode": "catching up"}, "catching_up"),
        ({"synced": False}, "backlog_waits"),
        ({"accepting": False, "reason": "disk full"}, "not_accepting"),
        ({"delivery_connected": False}, "no_delivery"),
        ({"unapplied": 2}, "unapplied"),
    ],
)
def test_each_degraded_state_has_an_alarm(change: dict[str, object], alarm: str) -> None:
    assert names(replace(MAIL, **change)) == [alarm]


def test_a_node_alone_by_choice_is_told_once() -> None:
    assert names(replace(MAIL, mode="solo", peer=None), paired=False) == ["not_paired"]


def test_alarms_of_the_node() -> None:
    assert names(None) == ["mail_down"]
    assert names(MAIL, disk=Disk(free=4, total=100)) == ["disk_low"]
    down = Process(name="delivery", state="down", pid=None, restarts=3)
    assert names(MAIL, down) == ["delivery_down"]


def test_the_worst_comes_first_and_is_the_summary() -> None:
    mail = replace(MAIL, mode="solo", delivery_connected=False, exposed=7)
    found = alarms(mail, [], DISK, True)
    assert [alarm.severity for alarm in found] == [Severity.CRITICAL, Severity.WARNING]
    assert summary(found) == (
        "Solo: the peer is gone, 7 messages are on this node only. (and 1 more alarm)"
    )


def test_every_alarm_says_what_to_do() -> None:
    bad = replace(MAIL, mode="solo", synced=False, accepting=False, unapplied=1)
    assert all(alarm.hint for alarm in alarms(bad, [], DISK, True))


def test_health() -> None:
    assert health(MAIL, False).ok
    assert not health(None, False).ok
