"""Facts about both nodes, a row each, the nodes side by side."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from tui.widgets.line import Line


class Facts(Vertical):
    """Rows of a label and one cell for each node. A row is drawn again when it changed."""

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__()
        self._labels = labels

    def compose(self) -> ComposeResult:
        for label in self._labels:
            with Horizontal(classes="fact"):
                yield Line(Content.assemble((label, "$quiet")), classes="fact-label")
                yield Line(classes="fact-cell")
                yield Line(classes="fact-cell")

    def show(self, row: int, cells: Sequence[Content]) -> None:
        """Show the cells of a row."""
        shown = self.children[row].query(Line)
        for line, cell in zip(list(shown)[1:], cells, strict=True):
            line.show(cell)
