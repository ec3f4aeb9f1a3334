"""`twinpost route`: what it prints, its JSON and exit codes."""

from __future__ import annotations

import json

import pytest

from appliance.cli.errors import Exit
from tests.unit.cli.conftest import Node

Capture = pytest.CaptureFixture[str]


def test_a_pause_is_seen_wherever_one_looks(node: Node, capsys: Capture) -> None:
    assert node.run("route", "pause", "Example.Org", "--reason", "their \x1b[2J disk") == Exit.OK
    assert node.run("route", "pause", "192.0.2.25:25") == Exit.OK
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert set(node.registers.values) == {"example.org", "192.0.2.25:25"}
    assert node.run("route", "list", "--json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    hop, domain = told["pauses"]
    assert (hop["what"], domain["what"], domain["at"]) == ("192.0.2.25:25", "example.org", 7)
    assert domain["reason"] == "their \x1b[2J disk"
    assert domain["by"]
    node.run("status")
    assert "paused       example.org, by" in capsys.readouterr().out
    node.run("queue", "list")
    assert "Paused: 192.0.2.25:25, example.org" in capsys.readouterr().err
    assert node.run("route", "test", "x@example.org") == Exit.OK
    assert "paused now: example.org" in capsys.readouterr().out
    assert node.run("route", "resume", "example.org") == Exit.OK
    assert node.run("route", "resume", "192.0.2.25:25") == Exit.OK
    assert "Nothing is paused." in capsys.readouterr().out
    assert node.run("route", "resume", "example.org") == Exit.NEGATIVE
    assert "example.org is not paused" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["x y", "host:port", "a@b.test", ""])
def test_what_cannot_be_paused(node: Node, capsys: Capture, what: str) -> None:
    assert node.run("route", "pause", what) != Exit.OK
    assert not node.registers.values
    assert "→" in capsys.readouterr().err


def test_list(node: Node, capsys: Capture) -> None:
    assert node.run("route", "list") == Exit.OK
    assert capsys.readouterr().out.splitlines() == [
        "ROUTE            TRANSPORT  TO",
        "*                smtp       pool out",
        "example.org      smtp       relay.test:25 (tls verify)",
        "dns.test         smtp       the hosts that DNS names (tls may)",
        "sales@site.test  mailbox    bob",
        "",
        "Nothing is paused.",
    ]


@pytest.mark.parametrize(
    "address, lines",
    [
        (
            "x@else.test",
            [
                "<x@else.test>: smtp",
                '  because the route "*", for everything that no other route is meant for',
                "  to pool out: 192.0.2.25:25, 192.0.2.26:25",
                "  with tls may",
            ],
        ),
        (
            "x@example.org",
            [
                "<x@example.org>: smtp",
                '  because the route "example.org" is the most exact one',
                "  to relay.test:25",
                "  with tls verify",
            ],
        ),
        (
            "bob@site.test",
            [
                "<bob@site.test>: mailbox",
                "  because the address bob@site.test has a mailbox here",
                "  in mailbox bob",
            ],
        ),
        (
            "nobody@site.test",
            [
                "<nobody@site.test>: bounce",
                "  because no user has the address, and no route is meant for it",
                "  it bounces: 550 5.1.1 No such user here",
            ],
        ),
    ],
)
def test_which_way(node: Node, capsys: Capture, address: str, lines: list[str]) -> None:
    assert node.run("route", "test", address) == Exit.OK
    assert capsys.readouterr().out.splitlines() == lines


def test_which_way_for_no_address(node: Node, capsys: Capture) -> None:
    assert node.run("route", "test", "no address") != Exit.OK
    assert 'write "user@example.org"' in capsys.readouterr().err


def test_status(node: Node, capsys: Capture) -> None:
    assert node.run("route", "status") == Exit.OK
    assert capsys.readouterr().out.splitlines() == [
        "3 connections to next hops, 1 of them idle",
        "  since start: 10 transactions, 7 (70 %) over an open connection; 3 opened, 1 failed",
        "",
        "NEXT HOP       STATE        OPEN  IDLE  LIMIT  A MINUTE  HITS     WHY",
        "192.0.2.25:25  resting 9 s  3     1     5      60        7 of 10  421 4.3.2 \\x1b[2J",
        "",
        "pool:out: 2 wait",
        "  192.0.2.25:25 out, 192.0.2.26:25 up (backup)",
    ]
    node.delivery.up = False
    assert node.run("route", "status") == Exit.TEMPORARY
    assert node.run("status", "--json") == Exit.OK
    told = capsys.readouterr().out
    assert json.loads(told[told.index("{") :])["delivery"] is None
