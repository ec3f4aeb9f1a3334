"""`twinpost balance`: what it prints, its JSON and exit codes."""

from __future__ import annotations

import json

import msgspec
import pytest

from appliance.cli.errors import Exit
from tests.unit.cli.conftest import Node

Capture = pytest.CaptureFixture[str]


def test_status(node: Node, capsys: Capture) -> None:
    assert node.run("balance", "status") == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "Balancer, weighted: listens at 127.0.0.10:25",
        "  4 clients now, 1 found no server",
        "",
        "SERVER      STATE       WEIGHT  CLIENTS    SERVED  MISSED  CHECK",
        "a (own)     up 1 min    2       4 of 1000  30      0       http: passed",
        "b (backup)  down 1 min  2       4 of 1000  30      0       http: greeting: 421 \\x1b[2J",
    ]


def test_status_of_a_node_without_the_address(node: Node, capsys: Capture) -> None:
    a, b = node.balance.shown.servers
    node.balance.shown = msgspec.structs.replace(
        node.balance.shown,
        listening=(),
        servers=(
            msgspec.structs.replace(a, state="drained", weight=5),
            msgspec.structs.replace(b, checked=None, error=""),
        ),
    )
    assert node.run("balance", "status") == Exit.OK
    out = capsys.readouterr().out
    assert "listens nowhere now" in out
    assert " drained " in out
    assert " 5 (node.toml: 2) " in out
    assert "http: not yet" in out


def test_status_as_json(node: Node, capsys: Capture) -> None:
    assert node.run("balance", "status", "--json") == Exit.OK
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == json.loads(msgspec.json.encode(node.balance.shown))


def test_changes(node: Node, capsys: Capture) -> None:
    assert node.run("balance", "set-weight", "a", "3") == Exit.OK
    assert node.run("balance", "drain", "a") == Exit.OK
    assert node.run("balance", "resume", "b") == Exit.OK
    told = [(name, share.weight, share.draining) for name, share in node.balance.told]
    assert told == [("a", 3, False), ("a", 3, True), ("b", None, False)]
    assert capsys.readouterr().out.count("Balancer, weighted") == 3


def test_what_is_refused(node: Node, capsys: Capture) -> None:
    assert node.run("balance", "drain", "b") == Exit.NEGATIVE
    assert "b is the last one\n  → resume another one first" in capsys.readouterr().err
    assert node.run("balance", "set-weight", "c", "1") == Exit.NEGATIVE
    assert "no server is named 'c': there are a, b" in capsys.readouterr().err
    assert node.run("balance", "set-weight", "a", "0") == Exit.USAGE
    node.balance.up = False
    assert node.run("balance", "status") == Exit.TEMPORARY
