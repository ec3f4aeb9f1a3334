"""The console's application: its screens, both nodes, the theme, who is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.notifications import SeverityLevel
from textual.reactive import reactive

from appliance.control.schema import Status
from tui.ascii import Ascii
from tui.dialogs import Help, Screens
from tui.follow import Follower
from tui.node import Connect, Node, Trouble
from tui.page import Page
from tui.palette import Commands
from tui.registry import SCREENS, Entry, entry
from tui.site import Side, Site
from tui.text import EMPTY
from tui.themes import ASCII, NAMES, THEMES

_LOOK_EVERY = 1.0
"""Seconds between two looks at a node."""


class Console(App[None]):
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
        Binding("f2,m", "screens", "Screens", key_display="F2"),
        Binding(
            "ctrl+p",
            "command_palette",
            "Find",
            key_display="^P",
            tooltip="Any screen or action by name",
        ),
        Binding("f3,o", "other_node", "Other node", key_display="F3"),
        Binding("q", "leave", "Quit"),
        Binding("ctrl+q", "leave", "Quit", show=False, priority=True),
        *(Binding(one.key, f"go({one.name!r})", one.title, show=False) for one in SCREENS),
    ]

    site: reactive[Site] = reactive(Site(), init=False)

    def __init__(
        self,
        connect: Connect,
        *,
        theme: str = "dark",
        kiosk: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`kiosk`: nobody leaves it, as on a node's own screen."""
        super().__init__()
        self.kiosk = kiosk
        self._clock = clock
        self._both = (Node(connect, other=False), Node(connect, other=True))
        self.node = self._both[0]
        self._ascii = Ascii(enabled=False)
        self._filters.append(self._ascii)
        for one in THEMES:
            self.register_theme(one)
        self._looks = [self._look_at(node) for node in self._both]
        self.wear(theme)

    def on_mount(self) -> None:
        self.action_go(SCREENS[0].name)
        for one in self._looks:
            one.start()

    def on_unmount(self) -> None:
        for one in self._looks:
            one.stop()

    @property
    def settled(self) -> bool:
        """What is seen is no longer only about to come."""
        page = self.screen
        return all(one.told for one in self._looks) and isinstance(page, Page) and page.settled

    def entries(self) -> list[Entry]:
        """The screens that whoever is there may see."""
        return list(SCREENS)

    def who(self) -> Content:
        """Who is there, for the title."""
        return EMPTY

    def wear(self, name: str) -> None:
        """Change the theme."""
        self._ascii.enabled = name == ASCII
        self.theme = name

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
            if binding.description and enabled:
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
        if action in ("go", "screens", "help", "other_node", "command_palette"):
            return isinstance(self.screen, Page)
        return True

    def watch_site(self, site: Site) -> None:
        if isinstance(self.screen, Page):
            self.screen.tell_site(site)

    def _look_at(self, node: Node) -> Follower[Status]:
        async def read() -> Status:
            return await node.ask(lambda client: client.status())

        def answered(status: Status) -> None:
            self._set(node.other, self.site.side(node.other).answered(status, self._clock()))

        def failed(trouble: Trouble) -> None:
            self._set(node.other, self.site.side(node.other).failed(trouble))

        return Follower(self, read, answered, failed, _LOOK_EVERY)

    def _set(self, other: bool, side: Side) -> None:
        self.site = Site(self.site.here, side) if other else Site(side, self.site.there)
