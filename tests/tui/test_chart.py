"""Charts: what is drawn is what was measured, and a gap is a gap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control.schema_history import CurveView
from tui.chart import Period, ceiling, draw, figure

HOUR = Period(1_790_000_000_000, 60_000)
values = st.lists(st.none() | st.floats(0, 1e15), max_size=200)


def curve(mean: list[float | None], unit: str = "messages") -> CurveView:
    known = tuple(mean)
    return CurveView(metric="x", unit=unit, title="x", least=known, mean=known, greatest=known)


@given(values, st.integers(1, 200), st.integers(1, 60), st.sampled_from(["share", "bytes", "s"]))
def test_it_fits_whatever_it_is_of(
    mean: list[float | None], width: int, height: int, unit: str
) -> None:
    drawn = draw(curve(mean, unit), HOUR, width, height).plain.split("\n")
    assert len(drawn) == max((height - 1) // 2 * 2, 2) + 1
    assert all(len(line) == max(width, 21) for line in drawn)


@given(st.floats(1e-6, 1e15), st.sampled_from(["messages", "bytes", "s"]))
def test_the_axis_ends_at_a_round_number_not_below_the_greatest(value: float, unit: str) -> None:
    top = ceiling(value, unit)
    assert value <= top * (1 + 1e-9)
    assert top <= value * 10.1


def test_a_gap_is_empty_and_a_little_is_not_nothing() -> None:
    bars = draw(curve([100.0] * 10 + [None] * 10 + [0.1] * 10), HOUR, 41, 5).plain.split("\n")
    lowest = bars[3][11:]
    assert lowest == "█" * 10 + " " * 10 + "▁" * 10
    assert bars[0][11:] == "█" * 10 + " " * 20


@pytest.mark.parametrize(
    "value, unit, text",
    [
        (None, "bytes", "–"),
        (0, "messages", "0"),
        (12_345.6, "messages", "12,346"),
        (2.5, "1/s", "2.5/s"),
        (0.999, "share", "99.9%"),
        (1, "share", "100%"),
        (90, "s", "1 min"),
        (0.25, "s", "250 ms"),
        (4096, "bytes", "4.0 KiB"),
    ],
)
def test_figures_are_short(value: float | None, unit: str, text: str) -> None:
    assert figure(value, unit) == text
