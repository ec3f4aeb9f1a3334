"""The command palette: every screen, and every action of the screen one is at."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.types import IgnoreReturnCallbackType

if TYPE_CHECKING:
    from tui.app import Console

Command = tuple[str, str, IgnoreReturnCallbackType]


class Commands(Provider):
    """Finds by any part of the name."""

    async def discover(self) -> Hits:
        for name, about, run in self._commands():
            yield DiscoveryHit(Content(name), run, text=name, help=about)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, about, run in self._commands():
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), run, text=name, help=about)

    def _commands(self) -> Iterator[Command]:
        from tui.app import Console

        console = self.app
        assert isinstance(console, Console)
        yield from _actions(console, self)
        for one in console.entries():
            yield f"Go to {one.title}", one.about, partial(console.action_go, one.name)
        for name in console.theme_names():
            yield f"Theme: {name}", "how the console looks", partial(console.wear, name)


def _actions(console: Console, provider: Provider) -> Iterator[Command]:
    seen = set[str]()
    for _, binding, enabled, tooltip in provider.screen.active_bindings.values():
        known = not binding.description or binding.action in seen or not enabled
        if known or binding.action.startswith(("go(", "app.go(")):
            continue
        seen.add(binding.action)
        name = f"{binding.description} ({console.get_key_display(binding)})"
        yield name, tooltip, partial(console.simulate_key, binding.key)
