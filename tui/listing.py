"""A screen that is a list of the site's, read whole, with actions on the row under the cursor."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.content import Content

from appliance.mail.visible import visible
from tui.page import Page
from tui.rows import ListRows
from tui.text import EMPTY, LINE, foreign
from tui.widgets.line import Line, Text
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from appliance.control.client import Client

R = TypeVar("R")


class Listing(Page, Generic[R]):
    """Subclasses read the rows and say what stands below the one under the cursor."""

    EMPTY_TEXT: ClassVar[str] = "Nothing here."
    OPENS: ClassVar[bool] = False
    """Enter on a row leads somewhere."""

    def body(self) -> ComposeResult:
        yield Line(name="counts")
        yield Table[R](self.columns(), self.key, empty=self.EMPTY_TEXT, opens=self.OPENS)
        yield Text(name="detail")

    def columns(self) -> Sequence[Column[R]]:
        """The columns of the table."""
        raise NotImplementedError

    def key(self, row: R) -> Hashable:
        """Tells rows apart."""
        raise NotImplementedError

    def read(self, client: Client) -> Sequence[R]:
        """All rows; called in a thread."""
        raise NotImplementedError

    def counted(self, rows: Sequence[R]) -> str:
        """How many there are, in words."""
        raise NotImplementedError

    def detail(self, row: R) -> Content:
        """What stands below about the row under the cursor."""
        return EMPTY

    def begin(self) -> None:
        self.table.focus()
        self.follow(self.read, self._show)

    @property
    def table(self) -> Table[R]:
        """The list."""
        return self.query_one(Table)

    @property
    def row(self) -> R | None:
        """What is under the cursor."""
        return self.table.row

    def _show(self, rows: Sequence[R]) -> None:
        self.query_one("#counts", Line).show(Content.assemble((self.counted(rows), "$quiet")))
        self.table.show(ListRows(rows), stay=True)
        self._tell()

    def on_table_moved(self) -> None:
        self._tell()

    def _tell(self) -> None:
        row = self.row
        self.query_one("#detail", Text).show(EMPTY if row is None else self.detail(row))


def said(text: str) -> Content:
    """What the API says that it has done."""
    return foreign(text, LINE)


def shown(text: str) -> str:
    """Foreign text for a question's field or word, which are typed, not drawn as markup."""
    return visible(text, LINE)
