"""What was written down stands after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from appliance.monitor.alerts.engine import Acknowledgement, Channel
from appliance.monitor.alerts.store import AlertsFile, Ended
from appliance.monitor.ring import Mark, Moment
from tests.unit.monitor.alerts.test_notice import ALERT, ENDED

MARK = Mark(5, Moment("boot", 3, 4))


def opened(path: Path) -> AlertsFile:
    return AlertsFile(path, lambda why: pytest.fail(why))


def test_alerts_survive(tmp_path: Path) -> None:
    known = replace(
        ALERT,
        untold=frozenset({Channel.MAIL}),
        acknowledged=Acknowledgement("me", "I know", 5, None),
    )
    file = opened(tmp_path / "alerts.db")
    assert file.read() == (None, [])
    file.write(MARK, [known], [])
    file.close()
    assert file.read() == (MARK, [known])
    file.write(MARK, [], [Ended(7, ENDED)])
    assert file.read() == (MARK, [])
    assert file.ended(10) == [Ended(7, ENDED)]
    file.close()


def test_only_the_last_that_ended_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.monitor.alerts.store._MOST_ENDED", 3)
    file = opened(tmp_path / "alerts.db")
    for number in range(5):
        file.write(MARK, [], [Ended(number, ENDED)])
    assert [one.wall for one in file.ended(10)] == [4, 3, 2]
    assert [one.wall for one in file.ended(1)] == [4]
    file.close()
