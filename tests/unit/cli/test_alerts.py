"""`twinpost alerts` against the real API and a real watch."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from appliance.cli.errors import Exit
from appliance.monitor.alerts.engine import Channel
from appliance.monitor.ring import Moment
from tests.support.control import MAIL
from tests.support.monitor import MOMENT
from tests.unit.cli.conftest import Node

Capture = pytest.CaptureFixture[str]


def look(node: Node, *seconds: int) -> None:
    """What the watch sees at these moments."""
    for one in seconds:
        now = Moment(MOMENT.boot, MOMENT.running + 1000 * one, MOMENT.wall + 1000 * one)
        node.watch._clock = lambda now=now: now  # type: ignore[misc]
        asyncio.run(node.watch.look())


def solo(node: Node) -> None:
    node.mail.shown = msgspec.structs.replace(MAIL, mode="solo", exposed=4)
    look(node, 0, 5)


def test_the_alerts_of_both_nodes(node: Node, capsys: Capture) -> None:
    solo(node)
    assert node.run("alerts", "list") == Exit.NEGATIVE
    out = capsys.readouterr().out
    assert "CRITICAL solo: raised, for 5 s" in out
    assert "→ start the peer" in out
    assert "Node b, as of 1 min ago:" in out
    assert "CRITICAL disk_low" in out
    assert "\x1b" not in out
    assert node.run("alerts", "list", "--json") == Exit.NEGATIVE
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["alerts"]] == ["solo"]
    assert told["alerts"][0]["raised_at"] == MOMENT.wall + 5000


def test_acknowledge(node: Node, capsys: Capture) -> None:
    solo(node)
    assert node.run("alerts", "ack", "solo", "--why", "a disk\x1b is ordered", "--for", "8h") == 0
    assert "knows: a disk\\x1b is ordered (for 8 h more)" in capsys.readouterr().out
    assert not node.watch.engine.untold(Channel.MAIL)
    node.run("alerts", "list", "--json")
    (known, *_) = json.loads(capsys.readouterr().out)["alerts"]
    assert known["acknowledged"]["left"] == 8 * 3_600_000


def test_what_is_not_there_cannot_be_acknowledged(node: Node, capsys: Capture) -> None:
    assert node.run("alerts", "ack", "solo") == Exit.NEGATIVE
    assert "there is no alert solo" in capsys.readouterr().err
    assert node.run("alerts", "ack", "solo", "--for", "soon") == Exit.USAGE


def test_history(node: Node, capsys: Capture) -> None:
    assert node.run("alerts", "history") == Exit.OK
    assert "No alert has ended." in capsys.readouterr().out
    solo(node)
    node.mail.shown = MAIL
    look(node, 20, 60)
    assert node.run("alerts", "history") == Exit.OK
    out = capsys.readouterr().out
    assert "solo" in out
    assert "55 s" in out
    assert node.run("alerts", "history", "--json") == Exit.OK
    (ended,) = json.loads(capsys.readouterr().out)["ended"]
    assert (ended["name"], ended["lasted"]) == ("solo", 55_000)
