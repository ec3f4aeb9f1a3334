"""What every screen is: bars round a body, data that is followed, actions that are confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.messages import Prune
from textual.screen import Screen

from appliance.control.roles import Role
from tui.follow import Follower
from tui.node import Node, Trouble
from tui.text import EMPTY, LINE, foreign
from tui.widgets.bars import KeyBar, SiteLine, TitleBar
from tui.widgets.line import Line
from tui.widgets.menu import Menu

if TYPE_CHECKING:
    from appliance.control.client import Client
    from tui.app import Console
    from tui.dialogs import Question
    from tui.registry import Entry
    from tui.site import Site

T = TypeVar("T")
CHANGE = 180.0
"""Seconds that a change may take: a switchover waits for deliveries to end."""


class Page(Screen[None]):
    """A screen of the console. Subclasses give `body`, and call `follow` in `begin`.

    What is followed is read only while the screen is the one that is seen, in threads, from the
    node that is looked at; `show` is called in the screen's own turn, with values that changed.
    """

    ABOUT: ClassVar[str] = ""
    """What the screen is for and how it is used, in a few sentences: shown by F1."""

    NEEDS: ClassVar[Mapping[str, Role]] = {}
    """The least role for an action; the others are for everybody. The node decides in the end."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(name=entry.name)
        self.entry = entry
        self._followers: list[Follower[Any]] = []
        self._seen = False
        self._begun = False

    @property
    def console(self) -> Console:
        """The application."""
        from tui.app import Console

        assert isinstance(self.app, Console)
        return self.app

    @property
    def node(self) -> Node:
        """The node that is looked at."""
        return self.console.node

    def compose(self) -> ComposeResult:
        yield TitleBar(self.entry.title)
        yield SiteLine(name="site")
        with Horizontal(id="middle"):
            yield Menu(self.entry.name)
            with Vertical(id="body"):
                yield from self.body()
        yield Line(name="trouble")
        yield KeyBar(name="keys")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """None, which greys its key out, for what is for another role."""
        least = self.NEEDS.get(action)
        return True if least is None or self.console.may(least) else None

    def body(self) -> ComposeResult:
        """The screen's own widgets."""
        raise NotImplementedError

    def begin(self) -> None:
        """Called once when the widgets are there."""

    def site_changed(self, site: Site) -> None:
        """The status of a node changed; called for the screen that is seen."""

    def on_mount(self) -> None:
        self._begun = True
        self.begin()
        self.tell_site(self.console.site)

    def on_screen_resume(self) -> None:
        self._seen = True
        self.tell_site(self.console.site)
        for one in self._followers:
            one.start()

    def on_screen_suspend(self) -> None:
        self._seen = False
        for one in self._followers:
            one.stop()

    async def on_prune(self, event: Prune) -> None:
        """Before its parts go: an answer that comes between would find nowhere to be shown."""
        self.workers.cancel_node(self)

    def follow(
        self,
        read: Callable[[Client], T],
        show: Callable[[T], None],
        *,
        every: float = 2.0,
        fail: Callable[[Trouble], None] | None = None,
    ) -> Follower[T]:
        """Read something again and again while the screen is seen, and show it when it changed.

        `fail` is told of each failure; without it the trouble is shown on a line of the screen.
        """

        def shown(value: T) -> None:
            self.trouble(None)
            show(value)

        async def ask() -> T:
            return await self.node.ask(read, idle=True)

        follower = Follower(self, ask, shown, fail or self.trouble, every)
        self._followers.append(follower)
        if self._seen:
            follower.start()
        return follower

    def renew(self, read: Callable[[], Awaitable[object]], *, every: float = 2.0) -> None:
        """Call `read` again and again while the screen is seen; it shows what it reads itself."""
        self._followers.append(Follower(self, read, lambda _: None, self.trouble, every))
        if self._seen:
            self._followers[-1].start()

    def node_changed(self) -> None:
        """Another node is looked at; what is followed is read anew without this."""

    @property
    def settled(self) -> bool:
        """Everything that is followed has been answered, or has failed, at least once."""
        return self._begun and all(one.told for one in self._followers)

    def hurry(self, *, forget: bool = False) -> None:
        """Read everything that is followed now, as after a change."""
        for one in self._followers:
            one.hurry(forget=forget)

    def trouble(self, trouble: Trouble | None) -> None:
        """Say why there is nothing new. A node that is gone is told of on top already."""
        told = EMPTY
        if trouble is not None and not trouble.gone:
            told = problem(trouble)
        line = self.query_one("#trouble", Line)
        line.display = bool(told)
        line.show(told)

    def tell_site(self, site: Site) -> None:
        """Bring the bars up to date; the application calls this when something changed."""
        if not self._begun or not self.query(TitleBar):
            return  # it is about to come, or being taken away
        console = self.console
        self.query_one(TitleBar).tell(site, console.node.other, console.person)
        self.query_one(SiteLine).tell(site)
        self.query_one(Menu).offer(console.entries())
        self.site_changed(site)

    def act(
        self,
        question: Question | None,
        call: Callable[[Client, str], T],
        done: Callable[[T], Content],
        patience: float = CHANGE,
    ) -> None:
        """Ask (unless None), do `call` with what was typed, and tell what came of it."""
        self.run_worker(self._act(question, call, done, patience), group="act")

    async def _act(
        self,
        question: Question | None,
        call: Callable[[Client, str], T],
        done: Callable[[T], Content],
        patience: float,
    ) -> None:
        typed = "" if question is None else await self.ask(question)
        if typed is not None:
            answer = typed
            await self.do(lambda client: call(client, answer), done, patience)

    async def ask(self, question: Question) -> str | None:
        """What was typed, "" for a plain yes, None for no; in a worker."""
        from tui.dialogs import Dialog

        return await self.app.push_screen_wait(Dialog(question))

    async def do(
        self, call: Callable[[Client], T], done: Callable[[T], Content], patience: float = CHANGE
    ) -> Trouble | None:
        """Do something and tell what came of it; returns why it was not done."""
        console = self.console
        try:
            result = await self.node.ask(call, patience)
        except Trouble as trouble:
            console.tell(problem(trouble), "error")
            return trouble
        finally:
            self.hurry()
        console.tell(done(result), "information")
        return None

    def on_menu_chosen(self, message: Menu.Chosen) -> None:
        self.console.action_go(message.name)


def problem(trouble: Trouble) -> Content:
    """What went wrong and what to do, in the API's words."""
    said = Content.assemble(("✖ ", "$error"), foreign(trouble.what, LINE))
    if trouble.hint:
        said = Content.assemble(said, ("  → ", "$quiet"), foreign(trouble.hint, LINE))
    return said
