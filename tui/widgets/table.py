"""A table for any number of rows: it draws the lines that are seen and asks for no others."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.node import Trouble
from tui.rows import ListRows, Rows
from tui.text import EMPTY
from tui.widgets.line import same

R = TypeVar("R")
_GAP = 2
_AHEAD = 2
"""Screens of rows that are asked for before somebody gets there."""
_KEPT = 500
"""Lines that are not made again when somebody scrolls."""


@dataclass(frozen=True)
class Column(Generic[R]):
    """A column: its head, the content of a cell, how wide it is.

    `share`: of the room that is left after all widths. `wide`: only where there is much room.
    """

    head: str
    cell: Callable[[R], Content]
    width: int
    share: int = 0
    right: bool = False
    wide: bool = False


class Table(ScrollView, Generic[R], can_focus=True):
    """Rows below their heads, one of them under the cursor, any of them marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--head", "table--cursor", "table--marked"}

    cursor: reactive[int] = reactive(0, repaint=False)

    class Opened(Message):
        """Enter, or a click on the row under the cursor."""

        def __init__(self, row: Any) -> None:
            super().__init__()
            self.row = row

    class Moved(Message):
        """Another row is under the cursor, or none."""

        def __init__(self, row: Any) -> None:
            super().__init__()
            self.row = row

    class Failed(Message):
        """Rows could not be had."""

        def __init__(self, trouble: Trouble) -> None:
            super().__init__()
            self.trouble = trouble

    def __init__(
        self,
        columns: Sequence[Column[R]],
        key: Callable[[R], Hashable],
        *,
        empty: str = "Nothing here.",
        marks: bool = False,
        opens: bool = False,
    ) -> None:
        """`key` tells rows apart. `marks`: rows can be marked with the space bar.

        `opens`: Enter on a row leads somewhere.
        """
        super().__init__()
        self._columns = columns
        self._key = key
        self._empty = empty
        self._marks = marks
        self._rows: Rows[R] = ListRows()
        self._marked: dict[Hashable, R] = {}
        self._widths: list[tuple[Column[R], int]] = []
        self._made: dict[int, tuple[R, bool, Content]] = {}
        self._drawn: dict[int, tuple[Content, str]] = {}
        self._wanting = False
        if opens:
            self._bindings.bind("enter", "open", "Open")
        if marks:
            self._bindings.bind("space", "mark", "Mark")
            self._bindings.bind("a", "mark_all", "Mark all", show=False)

    def show(self, rows: Rows[R], *, stay: bool = False) -> None:
        """Show other rows. `stay`: the row under the cursor stays under it, if it is still there.

        Only rows that are here already can be found again; else the cursor keeps its place.
        """
        under = self.row
        self._rows = rows
        self._made.clear()
        if not stay:
            self.cursor = 0
            self.scroll_to(y=0, animate=False)
        elif under is not None:
            self._follow(self._key(under))
        self._changed()

    @property
    def rows(self) -> Rows[R]:
        """What it shows."""
        return self._rows

    @property
    def row(self) -> R | None:
        """The row under the cursor."""
        return self._rows.row(self.cursor) if self._rows.count else None

    @property
    def chosen(self) -> list[R]:
        """The rows that are marked, or else the one under the cursor."""
        if self._marked:
            return list(self._marked.values())
        return [self.row] if self.row is not None else []

    @property
    def marked(self) -> int:
        """How many are marked."""
        return len(self._marked)

    def unmark(self) -> None:
        """Mark none."""
        self._marked.clear()
        self._redraw()

    def _follow(self, key: Hashable) -> None:
        near = range(max(0, self.cursor - 200), min(self._rows.count, self.cursor + 200))
        for index in near:
            row = self._rows.row(index)
            if row is not None and self._key(row) == key:
                moved = index - self.cursor
                self.set_reactive(Table.cursor, index)
                if self.scroll_offset.y:
                    self.scroll_to(y=self.scroll_offset.y + moved, animate=False)
                return

    def _changed(self) -> None:
        count = self._rows.count
        self.virtual_size = Size(0, count + 1)
        self.cursor = max(0, min(self.cursor, count - 1))
        self._redraw()
        self._want()
        self.post_message(self.Moved(self.row))

    def _want(self) -> None:
        """Ask for what is seen and a little more, one request at a time."""
        if self._wanting or not self.is_mounted or not self.size.height:
            return
        self._wanting = True
        self.run_worker(self._get(), group="rows")

    async def _get(self) -> None:
        try:
            while True:
                rows, top, (first, last) = self._rows, self.scroll_offset.y, self._span
                changed = await rows.want(first, last)
                if rows is self._rows and changed:
                    self.virtual_size = Size(0, rows.count + 1)
                    self._redraw()
                    self.post_message(self.Moved(self.row))
                elif rows is self._rows and top == self.scroll_offset.y:
                    return
        except Trouble as trouble:
            self.post_message(self.Failed(trouble))
        finally:
            self._wanting = False

    async def renew(self) -> None:
        """Read again what is seen; raises Trouble."""
        rows, under = self._rows, self.row
        first, last = self.scroll_offset.y, self.scroll_offset.y + self._seen
        await rows.renew(first, last)
        if rows is self._rows:
            if under is not None:
                self._follow(self._key(under))
            self._changed()

    @property
    def _span(self) -> tuple[int, int]:
        top, height = self.scroll_offset.y, self.size.height
        return max(0, top - height), top + height * (1 + _AHEAD)

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, self._rows.count - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        top, seen = self.scroll_offset.y, self._seen
        if now < top:
            self.scroll_to(y=now, animate=False)
        elif now >= top + seen:
            self.scroll_to(y=now - seen + 1, animate=False)
        self._redraw()
        self.post_message(self.Moved(self.row))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._want()

    @property
    def _seen(self) -> int:
        return max(1, self.size.height - 1)

    def action_move(self, by: int) -> None:
        self.cursor += by

    def action_page(self, by: int) -> None:
        self.cursor += by * self._seen

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = self._rows.count - 1

    def _redraw(self) -> None:
        """Draw the lines that have changed."""
        for y in range(self.size.height):
            content, style = self._line(y)
            before, style_before = self._drawn.get(y, (EMPTY, ""))
            if style != style_before or not same(content, before):
                self.refresh(Region(0, y, self.size.width, 1))

    def action_open(self) -> None:
        if self.row is not None:
            self.post_message(self.Opened(self.row))

    def action_mark(self) -> None:
        if self.row is None:
            return
        key = self._key(self.row)
        if self._marked.pop(key, None) is None:
            self._marked[key] = self.row
        self.action_move(1)
        self._redraw()
        self.post_message(self.Moved(self.row))

    def action_mark_all(self) -> None:
        """Mark all rows that are here, or none if one is marked already."""
        if self._marked:
            self._marked.clear()
        else:
            rows = (self._rows.row(index) for index in range(min(self._rows.count, 1000)))
            self._marked = {self._key(row): row for row in rows if row is not None}
        self._redraw()
        self.post_message(self.Moved(self.row))

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is None or place.y == 0:
            return
        index = self.scroll_offset.y + place.y - 1
        if index >= self._rows.count:
            return
        if index == self.cursor and event.chain == 2:
            self.action_open()
        self.cursor = index

    def on_resize(self) -> None:
        self._widths = self._room()
        self._made.clear()
        self.refresh()  # it may have been drawn with the widths of before
        self.virtual_size = Size(0, self._rows.count + 1)
        self._want()

    def _room(self) -> list[tuple[Column[R], int]]:
        width = self.scrollable_content_region.width
        wide = width >= 100
        shown = [one for one in self._columns if wide or not one.wide]
        room = width - sum(one.width + _GAP for one in shown) + _GAP
        room -= 2 * self._marks
        shares = sum(one.share for one in shown) or 1
        return [(one, one.width + max(0, room) * one.share // shares) for one in shown]

    def render_line(self, y: int) -> Strip:
        content, style = self._drawn[y] = self._line(y)
        base = self.get_visual_style(style) if style else self.visual_style
        parts = content.render(base, end="", parse_style=self.app.stylesheet.parse_style)
        segments = [Segment(text, (base + over).rich_style) for text, over in parts]
        strip = Strip(segments, content.cell_length)
        return strip.adjust_cell_length(self.size.width, base.rich_style)

    def _line(self, y: int) -> tuple[Content, str]:
        """What a line shows, and the component whose style it has."""
        gutter = "  " if self._marks else ""
        if y == 0:
            heads = [Content(column.head) for column, _ in self._widths]
            return self._cells(gutter, heads), "table--head"
        index = self.scroll_offset.y + y - 1
        if index >= self._rows.count:
            empty = index == 0 and not self._rows.more
            return Content(gutter + self._empty) if empty else EMPTY, ""
        row = self._rows.row(index)
        if row is None:
            return Content(gutter + "…"), ""
        marked = self._key(row) in self._marked
        line = self._make(index, row, marked)
        if index == self.cursor:
            return line, "table--cursor"
        return line, "table--marked" if marked else ""

    def _make(self, index: int, row: R, marked: bool) -> Content:
        made = self._made.get(index)
        if made is None or made[0] is not row or made[1] != marked:
            if len(self._made) >= _KEPT:
                self._made.clear()
            mark = ("* " if marked else "  ") if self._marks else ""
            cells = self._cells(mark, [column.cell(row) for column, _ in self._widths])
            made = self._made[index] = row, marked, cells
        return made[2]

    def _cells(self, mark: str, cells: Sequence[Content]) -> Content:
        parts = [Content(mark)] if mark else []
        for (column, width), cell in zip(self._widths, cells, strict=False):
            fitted = cell.truncate(width, ellipsis=True, pad=not column.right)
            if column.right:
                fitted = fitted.pad_left(width - fitted.cell_length)
            parts += [fitted, Content(" " * _GAP)]
        return EMPTY.join(parts)
