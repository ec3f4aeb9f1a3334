"""Where figures go."""

from __future__ import annotations

import pytest

from appliance.report.trend import DAY, trend

HOUR = DAY // 24


def test_a_straight_line_is_found_and_followed() -> None:
    falling = [1000.0 - 2 * hour for hour in range(100)]
    line = trend(falling, HOUR)
    assert line is not None
    assert line.daily == pytest.approx(-48)
    assert line.now == pytest.approx(falling[-1])
    assert line.days_until(0) == pytest.approx(falling[-1] / 48)
    assert line.days_until(2000) is None


def test_gaps_and_noise_do_not_matter_much() -> None:
    values = [None if hour % 7 == 0 else 500.0 + hour + (-1) ** hour for hour in range(200)]
    line = trend(values, HOUR)
    assert line is not None
    assert line.daily == pytest.approx(24, rel=0.05)


def test_a_level_figure_runs_out_never() -> None:
    line = trend([7.0] * 50, HOUR)
    assert line is not None
    assert (line.daily, line.days_until(0)) == (0.0, None)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None] * 100,
        [5.0, *[None] * 100],
        [float(n) for n in range(20)],
        [1.0, 2.0, 3.0, *[None] * 60],
    ],
    ids=["nothing", "unknown", "one", "less than a day", "three"],
)
def test_too_little_is_no_trend(values: list[float | None]) -> None:
    assert trend(values, HOUR) is None
