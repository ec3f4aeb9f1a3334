"""The console's application: its screens, both nodes, the theme, who is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Event, InputEvent
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from textual.screen import ModalScreen, Screen

from appliance.control.roles import Role
from appliance.control.schema import Status
from tui import garbage
from tui.ascii import Ascii
from tui.dialogs import Help, Screens
from tui.follow import Follower
from tui.keys import OneKeyAtATime
from tui.node import GONE, Connect, Node, Trouble
from tui.page import Page
from tui.palette import Commands
from tui.people import NOBODY, Person, by_terminal, logged_in
from tui.registry import SCREENS, Entry, entry
from tui.screens.installer import Installer
from tui.screens.login import Login
from tui.site import Side, Site
from tui.themes import ASCII, NAMES, THEMES

LOCK_AFTER = 600.0
_WELCOME = "Log in to watch and run the pair."
_USUAL = ("scroll_", "page_", "app.focus_", "screen.copy")
"""Actions of every widget, which need no help."""
_LOOK_EVERY = 1.0
"""Seconds between two looks at a node."""
_PAUSE = 2.0
"""Seconds without a key: the next one is not due at once."""


class Console(OneKeyAtATime[None]):
    """The operator's interface to the pair, over the control API of one of its nodes."""

    CSS_PATH = "app.tcss"
    TITLE = "Twinpost"
    COMMANDS: ClassVar = {Commands}
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 10
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  # Textual declares it so
        (0, "-narrow"),
        (120, "-wide"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "f1,question_mark",
            "help",
            "Help",
            key_display="F1",
            tooltip="Keys, and what is seen here",
        ),
        Binding("f2,ctrl+o", "screens", "Screens", key_display="F2"),
        Binding(
            "ctrl+p",
            "command_palette",
            "Find",
            key_display="^P",
            tooltip="Any screen or action by name",
        ),
        Binding("f3,o", "other_node", "Other node", key_display="F3"),
        Binding("ctrl+l", "lock", "Lock", show=False),
        Binding("ctrl+n", "log_in", "Log in as somebody else", show=False),
        Binding("q", "leave", "Quit"),
        Binding("ctrl+q", "leave", "Quit", show=False, priority=True),
        *(Binding(one.key, f"go({one.name!r})", one.title, show=False) for one in SCREENS),
    ]

    site: reactive[Site] = reactive(Site(), init=False, repaint=False)

    def __init__(
        self,
        connect: Connect,
        *,
        theme: str = "dark",
        kiosk: bool = False,
        lock_after: float = LOCK_AFTER,
        said: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`kiosk`: nobody leaves it, and one logs in, as on a node's own screen.

        `lock_after`: seconds without a key after which whoever is logged in has to do it again.
        `said` is shown at the beginning.
        """
        super().__init__()
        self.kiosk = kiosk
        self.person = NOBODY
        self.failure: Exception | None = None
        self._said = said
        self._wizard: Screen[Any] | None = None
        self._lock_after = lock_after
        self._clock = clock
        self._touched = clock()
        self._connect = connect
        self._both = tuple(
            Node(connect, other=other, session=lambda: self.person.token, refused=self.lock)
            for other in (False, True)
        )
        self.node = self._both[0]
        self._ascii = Ascii(enabled=False)
        self._filters.append(self._ascii)
        for one in THEMES:
            self.register_theme(one)
        self._looks = [self._look_at(node) for node in self._both]
        self.wear(theme)

    def on_mount(self) -> None:
        for one in self._looks:
            one.start()
        self.run_worker(self._enter(), group="enter")
        self.set_interval(_LOOK_EVERY, self.look_idle)
        if self._said:
            self.tell(Content(self._said), "warning")

    def on_unmount(self) -> None:
        for one in self._looks:
            one.stop()

    @property
    def settled(self) -> bool:
        """What is seen is no longer only about to come."""
        page = self.screen
        if isinstance(page, Installer):
            return page.settled
        if isinstance(page, Login):
            return self._looks[0].told
        if page is self._wizard:
            return page.is_mounted
        looked = all(one.told for one in self._looks) and self.person.role is not None
        return looked and isinstance(page, Page) and page.settled

    def entries(self) -> list[Entry]:
        """The screens that whoever is there may see."""
        return [one for one in SCREENS if self.may(one.least)]

    def may(self, least: Role) -> bool:
        """Whether whoever is there has the rights of this role."""
        return self.person.may(least)

    def lock(self) -> None:
        """Let nobody go on without logging in, and close what is open."""
        if self.person is NOBODY:  # several calls were refused at once: somebody is asked already
            return
        name, self.person = self.person.name, NOBODY
        why = "This console is locked: log in to go on."
        self.run_worker(self._log_in(name, why), group="enter", exclusive=True)

    def look_idle(self) -> None:
        """Nobody presses keys: look for garbage, and lock what has been left alone."""
        left = self._clock() - self._touched
        if left > _PAUSE:
            garbage.collect()
        if self.person.token and left > min(self._lock_after, self.person.idle):
            self.action_lock()

    async def on_event(self, event: Event) -> None:
        if isinstance(event, InputEvent):
            self._touched = self._clock()
        await super().on_event(event)

    def action_lock(self) -> None:
        """Lock now, where that means something: whoever logged in can do it again."""
        if self.person.token:
            token = self.person.token
            self.run_worker(self._log_out(token), group="log out")
            self.lock()

    def action_log_in(self) -> None:
        """Log in as somebody, or as somebody else."""
        self.run_worker(self._change_person(), group="enter", exclusive=True)

    async def _enter(self) -> None:
        """Find out who is there, and show the first screen to whoever may see it."""
        if not self.kiosk and await self._state(patient=False) == "configured":
            await self._go(SCREENS[0].name)
        while True:
            try:
                view = await self._both[0].ask(lambda client: client.who_am_i())
                state = await self._state() if view.first_run and view.role else "configured"
                if state != "first boot":
                    break
                await self._set_up()
                return
            except Trouble:
                await asyncio.sleep(_LOOK_EVERY)
        if view.role is not None and (view.first_run or not self.kiosk):
            self._become(by_terminal(view))
            if state == "live":
                await self.push_screen(Installer(self._both[0]))
            else:
                await self._go(SCREENS[0].name)
        else:
            await self._log_in("", _WELCOME)

    async def _state(self, *, patient: bool = True) -> str:
        """Of the machine's setup: first boot, live (runs from the stick), configured.

        `patient`: waits for a node that does not answer; else that is one that is configured.
        """
        while True:
            try:
                return (await self._both[0].ask(lambda client: client.setup())).state
            except Trouble as trouble:
                if not patient or trouble.code not in (GONE, "unavailable"):
                    return "configured"
            await asyncio.sleep(_LOOK_EVERY)

    async def _set_up(self) -> None:
        """Have the machine become a node; whoever joined a pair logs in as one of its operators."""
        from tui.wizard.screen import Wizard

        setup = await self._both[0].ask(lambda client: client.setup())
        self._wizard = wizard = Wizard(self._both[0], setup)
        founded = await self.push_screen_wait(wizard)
        if founded.session is None:
            await self._log_in("", _WELCOME)
            return
        self._become(logged_in(founded.session))
        await self._go("pair" if founded.invites else SCREENS[0].name)
        if founded.invites and isinstance(page := self.screen, Page):
            await page.run_action("invite")

    async def _log_in(self, name: str, why: str) -> None:
        while isinstance(self.screen, ModalScreen):
            await self.screen.dismiss(None)
        login = Login(self._both[0], self.site, name=name, why=why, may_leave=False)
        person = await self.push_screen_wait(login)
        if person is not None:
            self._become(person)
            first = self.screen.name if isinstance(self.screen, Page) else None
            names = [one.name for one in self.entries()]
            await self._go(first if first in names else names[0])

    async def _change_person(self) -> None:
        why = "Log in as somebody else, or go back."
        login = Login(self._both[0], self.site, name="", why=why, may_leave=True)
        person = await self.push_screen_wait(login)
        if person is not None:
            before = self.person.token
            self._become(person)
            if before:
                await self._log_out(before)

    async def _log_out(self, token: str) -> None:
        """The session is of no more use to anybody; it would end by itself, too."""
        gone = Node(self._connect, other=False, session=lambda: token, refused=lambda: None)
        with suppress(Trouble):
            await gone.ask(lambda client: client.log_out())

    def _become(self, person: Person) -> None:
        self.person = person
        self._touched = self._clock()
        self.watch_site(self.site)
        self.refresh_bindings()

    def wear(self, name: str) -> None:
        """Change the theme."""
        self._ascii.enabled = name == ASCII
        self.theme = name

    def get_key_display(self, binding: Binding) -> str:
        """Textual's sign for Enter is none that a console without Unicode could show."""
        shown = super().get_key_display(binding)
        return shown.replace("⏎", "Enter") if self._ascii.enabled else shown

    def theme_names(self) -> tuple[str, ...]:
        """The themes to choose from."""
        return NAMES

    def tell(self, said: Content, severity: SeverityLevel) -> None:
        """Say what came of something; it goes away by itself."""
        self.notify(said.plain, severity=severity, markup=False)

    def action_go(self, name: str) -> None:
        """Go to a screen, which is loaded when somebody goes there first."""
        self.run_worker(self._go(name), group="go", exclusive=True)

    def open_message(self, queue_id: str) -> None:
        """Show one message over the screen that is seen; Esc leads back."""
        from tui.screens.message import Message

        self.push_screen(Message(queue_id))

    async def _go(self, name: str) -> None:
        if not self.is_screen_installed(name):
            wanted = entry(name)
            self.install_screen(wanted.load()(wanted), name)
        while len(self.screen_stack) > 2:  # what lies over the screen: one message
            await self.pop_screen()
        if not isinstance(self.screen, Page):
            await self.push_screen(name)
        elif self.screen.name != name:
            await self.switch_screen(name)

    def action_screens(self) -> None:
        def chosen(name: str | None) -> None:
            if name:
                self.action_go(name)

        self.push_screen(Screens(self.entries()), chosen)

    def action_help(self) -> None:
        page = self.screen
        if not isinstance(page, Page):
            return
        keys: dict[str, list[str]] = {}
        for _, binding, enabled, _ in page.active_bindings.values():
            if binding.description and enabled and not binding.action.startswith(_USUAL):
                keys.setdefault(binding.description, []).append(self.get_key_display(binding))
        rows = [(" ".join(dict.fromkeys(shown)), what) for what, shown in keys.items()]
        self.push_screen(Help(page.entry.title, page.ABOUT, rows))

    def action_other_node(self) -> None:
        """Look at the other node, or back at this one."""
        self.node = self._both[not self.node.other]
        page = self.screen
        if isinstance(page, Page):
            page.tell_site(self.site)
            page.node_changed()
            page.hurry(forget=True)

    def action_leave(self) -> None:
        if not self.kiosk:
            self.exit()

    def action_help_quit(self) -> None:
        """Ctrl+C: as `q`."""
        self.action_leave()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing leads out of a kiosk; dialogs are answered before anything else."""
        if action in ("leave", "suspend_process"):
            return not self.kiosk
        if action == "lock":
            return bool(self.person.token) and isinstance(self._seen, Page)
        if action in ("go", "screens", "help", "other_node", "command_palette", "log_in"):
            return isinstance(self._seen, Page)
        return True

    def _fatal_error(self) -> None:
        """Nobody sees a traceback: whoever runs the console is told what to do with it."""
        self.failure = self._exception
        self._close_messages_no_wait()

    @property
    def _seen(self) -> Screen[Any] | None:
        """The screen that is seen; None while the console begins or ends."""
        stack = self.screen_stack
        return stack[-1] if stack else None

    def watch_site(self, site: Site) -> None:
        if isinstance(page := self._seen, Page | Login):
            page.tell_site(site)

    def _look_at(self, node: Node) -> Follower[Status]:
        async def read() -> Status:
            return await node.ask(lambda client: client.status(), idle=True)

        def answered(status: Status) -> None:
            self._set(node.other, self.site.side(node.other).answered(status, self._clock()))

        def failed(trouble: Trouble) -> None:
            self._set(node.other, self.site.side(node.other).failed(trouble))

        return Follower(self, read, answered, failed, _LOOK_EVERY)

    def _set(self, other: bool, side: Side) -> None:
        self.site = Site(self.site.here, side) if other else Site(side, self.site.there)
