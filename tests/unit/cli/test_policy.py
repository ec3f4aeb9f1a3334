"""`twinpost policy status`."""

from __future__ import annotations

import json

import msgspec
import pytest

from appliance.cli.errors import Exit
from appliance.mail.views import PolicyView, VerificationView
from tests.support.control import MAIL
from tests.unit.cli.conftest import Node

SEEN = PolicyView(
    refused={"helo": 2, "rate": 30, "unknown user": 1},
    held=1,
    tracked=12,
    verification=VerificationView(
        enabled=True, cached=5, cached_refusals=2, hits=75, misses=25, callouts=24, unanswered=3
    ),
)


def test_status(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.mail.shown = msgspec.structs.replace(MAIL, policy=SEEN)
    assert node.run("policy", "status") == Exit.OK
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:5] == [
        "rate          30 refusals",
        "helo          2 refusals",
        "unknown user  1 refusal",
        "on hold       1 recipient",
    ]
    assert (
        "75 % of 100 known, 5 answers kept (2 of them no), 24 callouts, 3 unanswered" in lines[-1]
    )
    assert node.run("policy", "status", "--json") == Exit.OK
    shown = json.loads(capsys.readouterr().out)
    assert shown["refused"] == {"helo": 2, "rate": 30, "unknown user": 1}
    assert shown["verification"]["hits"] == 75
    assert node.run("status") == Exit.OK
    assert "75 % of 100 known" in capsys.readouterr().out


def test_nothing_was_refused(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert node.run("policy", "status") == Exit.OK
    out = capsys.readouterr().out
    assert "nothing was refused" in out
    assert "verification: off" in out
