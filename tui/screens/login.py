"""The screen of a console where nobody is logged in, or that was left alone."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, Middle, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input

from tui.node import Node, Trouble
from tui.page import problem
from tui.people import Person, logged_in
from tui.site import Site
from tui.text import EMPTY
from tui.widgets.bars import SiteLine
from tui.widgets.input_line import InputLine
from tui.widgets.line import Line, Text


class Login(Screen[Person | None]):
    """Asks for name and password until the node takes them; covers everything else."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]
    AUTO_FOCUS = ""
    """A key that was meant for what stood here before the lock would type over the name."""

    def __init__(self, node: Node, site: Site, *, name: str, why: str, may_leave: bool) -> None:
        """`name` is the last one's. `may_leave`: one may go back as one was."""
        super().__init__()
        self._node = node
        self._site = site
        self._name = name
        self._why = why
        self._may_leave = may_leave
        self._trying = False

    def compose(self) -> ComposeResult:
        yield SiteLine(name="site")
        with Middle(), Center(), Vertical(classes="dialog"):
            yield Line(Content.assemble(("Twinpost", "bold")), classes="dialog-title")
            yield Text(Content(self._why + "\n"))
            yield Line(Content("Name"))
            yield InputLine(self._name, compact=True, id="name", max_length=64)
            yield Line(Content("Password"))
            yield InputLine(password=True, compact=True, id="password", max_length=1024)
            yield Text(name="wrong")
            esc = "Enter logs in, Esc goes back" if self._may_leave else "Enter logs in"
            yield Line(Content.assemble((esc, "$quiet")))

    def on_mount(self) -> None:
        self.tell_site(self._site)
        self.query_one("#password" if self._name else "#name").focus()

    def tell_site(self, site: Site) -> None:
        """How the site is may be seen by everybody who stands there."""
        for line in self.query(SiteLine):
            line.tell(site)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "name":
            self.query_one("#password").focus()
        elif not self._trying:
            self._trying = True
            self.run_worker(self._try())

    async def _try(self) -> None:
        name = self.query_one("#name", Input).value.strip()
        password = self.query_one("#password", Input)
        said = self.query_one("#wrong", Text)
        said.show(Content.assemble(("Asking …", "$quiet")))
        try:
            session = await self._node.ask(lambda client: client.log_in(name, password.value))
        except Trouble as trouble:
            said.show(problem(trouble))
            password.value = ""
            self._trying = False
            return
        said.show(EMPTY)
        self.dismiss(logged_in(session))

    def action_leave(self) -> None:
        if self._may_leave:
            self.dismiss(None)
