"""Charts: any figure of the last 90 days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message

from appliance.control.schema_history import CurveView, HistoryView
from tui.chart import AXIS, Period, draw, figure
from tui.page import Page
from tui.rows import ListRows
from tui.text import foreign
from tui.widgets.line import Line, Text
from tui.widgets.spark import spark
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from appliance.control.client import Client

SPANS = ("1h", "6h", "1d", "7d", "30d", "90d")
_NAMES = {"1h": "hour", "6h": "6 hours", "1d": "day", "7d": "week", "30d": "30 days"}
_SMALL = 16
"""Parts of the small pictures in the table."""
_MOST = 300
_MOST_CURVES = 100
"""Curves in one answer."""
_EVERY = 10.0
"""Seconds: the node takes a sample that often."""


@dataclass(frozen=True)
class _Shown:
    """What was asked for: an answer to another question is not drawn."""

    metric: str
    span: str
    size: Size
    view: HistoryView


class _Picture(Text):
    """Asks for as many points as it has columns."""

    class Resized(Message):
        """It has another size than before."""

    def on_resize(self) -> None:
        self.post_message(self.Resized())


class Charts(Page):
    """A large picture of the figure under the cursor, and small ones of all."""

    ABOUT: ClassVar[str] = """
        Figures of the node that you look at (F3 shows the other one's). The large picture is of the
        figure under the cursor; + and - change the time that it shows, from the last hour to the
        last 90 days. A bar is as high as the mean of its time, a point above it marks the greatest.
        Where there is nothing the node was off, or did not know. Times are UTC.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,right", "span(1)", "Longer", key_display="+"),
        Binding("minus,left", "span(-1)", "Shorter", key_display="-"),
    ]

    def body(self) -> ComposeResult:
        yield Line(name="chart-title")
        yield _Picture(name="chart")
        yield Table[CurveView](_COLUMNS, lambda curve: curve.metric, empty="No figures yet.")

    def begin(self) -> None:
        self._span = SPANS[0]
        self._metric = ""
        self.table.focus()
        self._small = self.follow(self._read_all, self._show_all, every=_EVERY)
        self._large = self.follow(self._read_one, self._show_one, every=_EVERY)

    @property
    def table(self) -> Table[CurveView]:
        """All figures."""
        return self.query_one(Table)

    def _read_all(self, client: Client) -> Sequence[CurveView]:
        names = [one.metric for one in client.metrics()]
        return client.figures(names[:_MOST_CURVES], self._span, _SMALL).curves

    def _show_all(self, curves: Sequence[CurveView]) -> None:
        self.table.show(ListRows(curves), stay=True)

    def _read_one(self, client: Client) -> _Shown | None:
        metric, span = self._metric, self._span
        if not metric:
            return None
        size = self.query_one(_Picture).size
        points = min(max(size.width - AXIS, 20), _MOST)
        return _Shown(metric, span, size, client.figures([metric], span, points))

    def _show_one(self, shown: _Shown | None) -> None:
        if shown is None or (shown.metric, shown.span) != (self._metric, self._span):
            return
        curve = shown.view.curves[0]
        over = f", the last {_NAMES.get(shown.span, '90 days')}"
        title = Content.assemble(foreign(curve.title, style="bold"), (over, "$quiet"))
        self.query_one("#chart-title", Line).show(title)
        period = Period(shown.view.start, shown.view.step)
        self.query_one(_Picture).show(draw(curve, period, shown.size.width, shown.size.height))

    def on_table_moved(self, message: Table.Moved) -> None:
        metric = message.row.metric if message.row is not None else ""
        if metric != self._metric:
            self._metric = metric
            self._large.hurry()

    @on(_Picture.Resized)
    def draw_again(self) -> None:
        """In its new size."""
        if self._begun:
            self._large.hurry()

    def action_span(self, by: int) -> None:
        """Show a longer or shorter time."""
        place = min(max(SPANS.index(self._span) + by, 0), len(SPANS) - 1)
        self._span = SPANS[place]
        self.hurry()


def _extreme(curve: CurveView, *, greatest: bool) -> float | None:
    known = [one for one in (curve.greatest if greatest else curve.least) if one is not None]
    return (max(known) if greatest else min(known)) if known else None


def _picture(curve: CurveView) -> Content:
    drawn = spark([one or 0.0 for one in curve.mean], _SMALL, ascii_only=False)
    return Content.assemble((drawn, "$primary"))


def _now(curve: CurveView) -> Content:
    known = [one for one in curve.mean if one is not None]
    return Content(figure(known[-1] if known else None, curve.unit))


_COLUMNS: Sequence[Column[CurveView]] = (
    Column("Figure", lambda curve: foreign(curve.title), 20, share=1),
    Column("", _picture, _SMALL),
    Column("Now", _now, 10, right=True),
    Column(
        "Least",
        lambda curve: Content(figure(_extreme(curve, greatest=False), curve.unit)),
        10,
        right=True,
        wide=True,
    ),
    Column(
        "Most",
        lambda curve: Content(figure(_extreme(curve, greatest=True), curve.unit)),
        10,
        right=True,
    ),
)
