"""docs/monitoring.md names every alert, with its times and what to do, and every series."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.cli.output import time_text
from appliance.monitor.alerts.rule import Rule
from appliance.monitor.alerts.table import RULES
from appliance.monitor.ring import LEVELS
from appliance.monitor.series import PROCESSES, SERIES

PAGE = (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text()


def _time(milliseconds: int) -> str:
    return time_text(milliseconds) if milliseconds else "at once"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_alerts(rule: Rule) -> None:
    row = (
        f"| `{rule.name}` | {rule.severity} | {rule.about} |"
        f" {_time(rule.after)}, {_time(rule.clear)} | {rule.hint} |"
    )
    assert row in PAGE.splitlines()


def test_no_alert_is_documented_that_is_not_there() -> None:
    named = set(re.findall(r"^\| `(\w+)` \| (?:critical|warning) ", PAGE, re.MULTILINE))
    assert named == {rule.name for rule in RULES}


def test_series() -> None:
    told = dict(re.findall(r"^\| `([a-z_0-9.A-Z]+)` \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE))
    for series in SERIES:
        name = re.sub(rf"^process\.({'|'.join(PROCESSES)})\.", "process.NAME.", series.name)
        assert told.get(name) == series.unit


def test_how_much_is_kept() -> None:
    assert f"{sum(level.rows for level in LEVELS):,} rows" in PAGE
