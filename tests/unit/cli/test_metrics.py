"""`twinpost metrics` against the real API and a real history."""

from __future__ import annotations

import asyncio
import json

import pytest

from appliance.cli.errors import Exit
from appliance.cli.metrics import figure_text, sparkline
from tests.unit.cli.conftest import Node

Capture = pytest.CaptureFixture[str]


def test_list(node: Node, capsys: Capture) -> None:
    assert node.run("metrics", "list") == Exit.OK
    assert "mail.accepted" in capsys.readouterr().out
    assert node.run("metrics", "list", "--json") == Exit.OK
    assert {"metric", "unit", "title"} == set(json.loads(capsys.readouterr().out)[0])


def test_show(node: Node, capsys: Capture) -> None:
    asyncio.run(node.history.add({"mail.accepted": 2.5, "disk.free": 5 << 30}))
    assert node.run("metrics", "show", "mail.accepted", "disk.free", "--range", "10m") == Exit.OK
    out = capsys.readouterr().out
    assert "Messages accepted (mail.accepted)" in out
    assert "last 2.5 1/s, mean 2.5 1/s" in out
    assert "greatest 5.0 GiB" in out
    assert "█" in out
    assert node.run("metrics", "show", "mail.accepted", "--json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["node"] == "a"
    assert [one for one in told["curves"][0]["mean"] if one is not None] == [2.5]
    assert len(told["curves"][0]["least"]) == told["points"]


def test_nothing_known_is_a_negative_answer(node: Node, capsys: Capture) -> None:
    assert node.run("metrics", "show", "mail.accepted") == Exit.NEGATIVE
    assert "nothing is known" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["no.such\x1b[2J"], "no metric is called"),
        (["disk.free", "--range", "91d"], "from 1m to 90d"),
        (["disk.free", "--range", "-1h"], "from 1m to 90d"),
        (["disk.free", "--range", "1y"], "from 1m to 90d"),
    ],
)
def test_mistakes_are_told_with_what_is_right(
    node: Node, capsys: Capture, arguments: list[str], said: str
) -> None:
    assert node.run("metrics", "show", *arguments) not in (Exit.OK, Exit.NEGATIVE)
    err = capsys.readouterr().err
    assert said in err
    assert "\x1b" not in err


def test_bars() -> None:
    assert sparkline([0, 7, None, 3.5]) == "▁█ ▅"
    assert sparkline([None, None]) == "  "
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([-7, 0]) == "▁█"


def test_figures_have_their_unit() -> None:
    assert figure_text(0.9994, "share") == "99.94 %"
    assert figure_text(0.25, "s") == "250 ms"
    assert figure_text(3, "messages") == "3 messages"
