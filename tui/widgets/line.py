"""A piece of text that is drawn again only when it has become another one."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from tui.text import EMPTY


class Line(Static):
    """Shows a `Content`; its height is the style sheet's, so a change moves nothing else."""

    DEFAULT_CSS = "Line { height: 1; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }"

    def __init__(
        self, content: Content = EMPTY, *, name: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(content, markup=False, id=name, classes=classes)
        self._shown = content

    def show(self, content: Content) -> None:
        """Show this from now on."""
        if not same(content, self._shown):
            self._shown = content
            self.update(content, layout=False)

    @property
    def shown(self) -> Content:
        """What it shows."""
        return self._shown


class Text(Line):
    """The same for several lines, as high as they are."""

    DEFAULT_CSS = "Text { height: auto; text-wrap: wrap; text-overflow: fold; }"

    def show(self, content: Content) -> None:
        if not same(content, self._shown):
            self._shown = content
            self.update(content)


def same(one: Content, other: Content) -> bool:
    """Whether two look the same."""
    return one is other or (one.plain == other.plain and list(one.spans) == list(other.spans))
