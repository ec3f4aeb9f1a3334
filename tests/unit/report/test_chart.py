"""Charts draw what is known, within their frame, whatever the figures are."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.report.chart import HEIGHT, WIDTH, drawn, legend
from appliance.report.content import Chart, Curve

HOUR = 3_600_000


def chart(*curves: Curve, unit: str = "recipients", start: int = 0) -> Chart:
    return Chart(title="a < b", unit=unit, start=start, step=HOUR, curves=curves)


def lines(svg: str) -> list[str]:
    """The paths of curves: drawn with a pen."""
    return re.findall(r'<path d="([^"]*)" fill="none" stroke="#[0-9a-f]{6}" stroke-width', svg)


def test_a_gap_is_a_gap_and_a_lone_value_can_be_seen() -> None:
    svg = drawn(chart(Curve(label="x", mean=(1.0, 2.0, None, 3.0, None, None, 4.0, 5.0))))
    (path,) = lines(svg)
    assert path.count("M") == 3
    assert path.count("L") == 2
    assert path.count("h1.5") == 1


def test_nothing_known_is_no_chart() -> None:
    assert drawn(chart(Curve(label="x", mean=(None, None)))) == ""
    assert drawn(chart(Curve(label="x", mean=()))) == ""


def test_curves_are_told_apart_without_colour() -> None:
    two = chart(Curve(label="node a", mean=(1.0,)), Curve(label="node b", mean=(2.0,)))
    labels = legend(two)
    assert [label for label, _ in labels] == ["node a", "node b"]
    assert "stroke-dasharray" not in labels[0][1]
    assert "stroke-dasharray" in labels[1][1]


@pytest.mark.parametrize(
    "unit, greatest, ticks",
    [
        ("bytes", 61.2 * 2**30, ["0 B", "20.0 GiB", "40.0 GiB", "60.0 GiB", "80.0 GiB"]),
        ("s", 12_000.0, ["0 ms", "1 h", "2 h", "3 h", "4 h"]),
        ("share", 0.31, ["0 %", "25 %", "50 %", "75 %", "100 %"]),
        ("per minute", 2000.0, ["0/min", "500/min", "1,000/min", "1,500/min", "2,000/min"]),
        ("recipients", 0.0, ["0", "0.25", "0.50", "0.75", "1"]),
    ],
)
def test_scales_are_round(unit: str, greatest: float, ticks: list[str]) -> None:
    svg = drawn(chart(Curve(label="x", mean=(0.0, greatest)), unit=unit))
    assert re.findall(r'text-anchor="end">([^<]*)<', svg) == ticks


@given(
    st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=40),
    st.sampled_from(["bytes", "s", "share", "per minute", "recipients"]),
    st.integers(-(1 << 62), 1 << 62),
)
def test_whatever_the_figures_are_it_is_whole_and_in_its_frame(
    values: list[float | None], unit: str, start: int
) -> None:
    svg = drawn(chart(Curve(label="x", mean=tuple(values)), unit=unit, start=start))
    if not any(value is not None and math.isfinite(value) for value in values):
        assert svg == ""
        return
    ElementTree.fromstring(svg)
    for path in lines(svg):
        for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT
