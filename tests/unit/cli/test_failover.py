"""`twinpost failover`, `switchover` and `maintenance` as people and scripts see them."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from appliance.cli.errors import Exit
from appliance.ipc.failover import ForeignView
from appliance.mail.reply import Refused, Reply
from tests.support.control import FAILOVER, PATH, ROUTER
from tests.unit.cli.conftest import Node

Capture = pytest.CaptureFixture[str]

TRANSITION = (
    '{"id":"","event":"transition","at":"2026-01-01T00:00:01.000Z","process":"failover","vrid":1,'
    '"before":"Active","after":"Backup","reason":"cannot serve","why":"\\u001b[2J",'
    '"lasted":61000}\n'
)


def test_status_tells_who_has_the_address_and_why(node: Node, capsys: Capture) -> None:
    assert node.run("failover", "status") == Exit.OK
    told = capsys.readouterr().out
    assert "Virtual router 1: Active for 5 s" in told
    assert "127.0.0.10 on this node" in told
    assert "Path 127.0.0.11:2528 to 127.0.0.12:2528: heard" in told
    assert "Packets rejected: 3 forged" in told


def test_what_is_wrong_is_in_the_status(node: Node, capsys: Capture) -> None:
    lost = replace(ROUTER, state="Backup", held=False, priority=0, why="eth0 has no carrier")
    node.failover.shown = replace(
        FAILOVER,
        routers=(lost,),
        paths=(replace(PATH, alive=False, error="Network is unreachable"),),
        peer_alive=False,
        peer=None,
        maintenance=True,
        foreign=(ForeignView(address="127.0.0.10", hardware="\x1b[2J", ago=1),),
    )
    assert node.run("failover", "status") == Exit.NEGATIVE
    told = capsys.readouterr().out
    for part in (
        "In maintenance",
        "priority 0 of 200: eth0 has no carrier",
        "nothing heard (Network is unreachable)",
        "The other node is not heard.",
        "127.0.0.10 is also answered for by",
    ):
        assert part in told
    assert "\x1b" not in told


def test_a_failover_process_that_does_not_answer(node: Node, capsys: Capture) -> None:
    node.failover.shown = None
    assert node.run("failover", "status") == Exit.TEMPORARY
    assert "does not answer" in capsys.readouterr().err
    assert node.run("status") == Exit.NEGATIVE
    assert "The failover process does not answer" in capsys.readouterr().out


def test_history(node: Node, capsys: Capture) -> None:
    assert node.run("failover", "history") == Exit.OK
    assert "No transition" in capsys.readouterr().out
    (node.data / "log" / "failover.log").write_text(TRANSITION)
    assert node.run("failover", "history") == Exit.OK
    told = capsys.readouterr().out
    assert "a     1       Active  Backup  1 min  cannot serve" in told
    assert "\x1b" not in told
    assert node.run("failover", "history", "--json") == Exit.OK
    (one,) = json.loads(capsys.readouterr().out)["transitions"]
    assert (one["node"], one["vrid"], one["lasted"]) == ("a", 1, 61_000)


def test_planned_moves(node: Node, capsys: Capture) -> None:
    assert node.run("switchover") == Exit.OK
    assert node.run("switchover", "--vrid", "1", "--here") == Exit.OK
    assert node.run("maintenance", "on") == Exit.OK
    assert capsys.readouterr().out == "moved\n" * 3
    told = [one for one in node.failover.told if one[0] != "ask"]
    assert told == [("switch over", None), ("fetch", 1), ("maintain", True)]


def test_moves_that_would_not_help(node: Node, capsys: Capture) -> None:
    node.failover.refusal = Refused(Reply(450, "4.3.0", "the other node is not heard"), "wait")
    assert node.run("switchover") == Exit.NEGATIVE
    assert node.run("maintenance", "on") == Exit.NEGATIVE
    told = capsys.readouterr().err
    assert told.count("the other node is not heard\n  → wait\n") == 2
    assert node.run("switchover", "--force") == Exit.OK
    assert node.run("maintenance", "aside") == Exit.USAGE
