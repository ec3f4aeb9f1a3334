"""What every screen has: where one is and who, how the site is, and which keys there are."""

from __future__ import annotations

from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.style import Style
from textual.widgets import Input

from tui.node import UNAUTHORIZED
from tui.people import Person
from tui.site import Site
from tui.text import EMPTY, LINE, foreign
from tui.widgets.line import Line

ALWAYS = ("help", "screens")
"""Actions whose keys are on every screen."""


class TitleBar(Line):
    """The screen's title at the left; who looks, and at which node, at the right."""

    def __init__(self, title: str) -> None:
        super().__init__(name="title")
        self._left = Content.assemble(("Twinpost", "bold"), f"  {title}")
        self._right = Content()

    def tell(self, site: Site, other: bool, person: Person) -> None:
        """Say which node one looks at, and who one is."""
        name = site.name(other)
        node = foreign(name, 20, "bold") if name else Content("?")
        place = ", the other node" if other else ""
        who = person.shown()
        self._right = Content.assemble(who, " at " if who else "", "node ", node, place)
        self.on_resize()

    def on_resize(self) -> None:
        room = max(0, self.size.width - self._right.cell_length - 2)
        left = self._left.truncate(room, ellipsis=True, pad=True)
        self.show(Content.assemble(left, "  ", self._right))


class SiteLine(Line):
    """One sentence on how the site is: the node's own words, with a sign before them."""

    def tell(self, site: Site) -> None:
        """Show the state of the site as far as one knows it."""
        self.show(sentence(site))


def sentence(site: Site) -> Content:
    """How the site is. Of two sentences the worse one; a node that is gone is worst of all."""
    here, there = site.here.status, site.there.status
    if here is None:
        trouble = site.here.trouble
        if trouble is None:
            return Content.assemble(("… ", "$quiet"), "Asking the node how it is")
        if trouble.code == UNAUTHORIZED:  # a node tells it to operators: the login is seen then
            return EMPTY
        if not trouble.gone:
            return Content.assemble(("▲ ", "$warning"), foreign(trouble.what, LINE))
        return Content.assemble(
            ("✖ NODE AWAY: ", "bold $error"),
            "it is restarting, or stopped. Asking until it answers.",
        )
    worst = here
    if here.healthy and there is not None and not there.healthy:
        worst = there
    if worst.healthy:
        return Content.assemble(("● OK: ", "bold $success"), foreign(worst.summary, LINE))
    critical = any(alarm.severity == "critical" for alarm in worst.alarms)
    sign = ("✖ CRITICAL: ", "bold $error") if critical else ("▲ WARNING: ", "bold $warning")
    about = "" if worst is here else f"node {foreign(worst.name, 20).plain}: "
    return Content.assemble(sign, about, foreign(worst.summary, LINE))


class KeyBar(Line):
    """The keys that do something now, on one line; a click presses them."""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        if self.app.screen is self.screen:  # else a dialog lies over it
            self.show(self.keys())

    def on_resize(self) -> None:
        self.show(self.keys())

    def keys(self) -> Content:
        """As many keys as fit. How to get help stands at the right, whatever else there is."""
        typing = isinstance(self.screen.focused, Input)
        shown: dict[str, Content] = {}
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            if not binding.show or not enabled or binding.action in shown:
                continue
            if typing and len(self.app.get_key_display(binding)) == 1:
                continue
            shown[binding.action] = self._key(binding)
        always = [one for action in ALWAYS if (one := shown.pop(action, None)) is not None]
        right = Content("  ").join(always)
        room = self.size.width - right.cell_length - 2
        fitting: list[Content] = []
        for one in shown.values():
            room -= one.cell_length + 2
            if room < -2:
                break
            fitting.append(one)
        if not fitting:
            return right.pad_left(max(0, room + 2))
        left = Content("  ").join(fitting)
        return Content.assemble(left.pad_right(max(0, room + 2)), "  ", right)

    def _key(self, binding: Binding) -> Content:
        press = Style.from_meta({"@click": f"app.simulate_key({binding.key!r})"})
        label = self.app.get_key_display(binding)
        return Content.assemble(
            (label, "bold $footer-key-foreground"), " ", binding.description
        ).stylize(press)
