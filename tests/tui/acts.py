"""What a test presses keys for: it says so, and that is checked while it runs."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ParamSpec

import pytest
from textual.actions import ActionParseResult
from textual.binding import Binding
from textual.dom import DOMNode

import tests.tui
import tui.screens
from tui.app import Console
from tui.page import Page

P = ParamSpec("P")
_NAMED: set[str] = set()


def acts(*names: str) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, Awaitable[None]]]:
    """Names the actions, as SCREEN.ACTION, that the test brings about; it fails if it does not."""

    def wrap(test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
        _NAMED.update(names)

        @functools.wraps(test)
        async def run(*args: P.args, **kwargs: P.kwargs) -> None:
            with _noting() as done:
                await test(*args, **kwargs)
            assert not set(names) - done, set(names) - done

        return run

    return wrap


def named() -> set[str]:
    """The actions that tests name."""
    for module in pkgutil.iter_modules(tests.tui.__path__):
        if module.name.startswith("test_"):
            importlib.import_module(f"tests.tui.{module.name}")
    return set(_NAMED)


def bound() -> set[str]:
    """The actions that have a key on a screen."""
    for module in pkgutil.iter_modules(tui.screens.__path__):
        importlib.import_module(f"tui.screens.{module.name}")
    return {
        f"{_screen(page)}.{binding.action}"
        for page in _pages(Page)
        for base in page.__mro__
        if base.__module__.startswith("tui.")
        for binding in vars(base).get("BINDINGS", ())
        if isinstance(binding, Binding)
    }


def _pages(above: type[Page]) -> Iterator[type[Page]]:
    for one in above.__subclasses__():
        if one.__module__.startswith("tui."):
            yield one
            yield from _pages(one)


def _screen(page: type[Page]) -> str:
    return page.__module__.rpartition(".")[2]


@contextmanager
def _noting() -> Iterator[set[str]]:
    done = set[str]()
    run_action = Console.run_action

    async def noted(
        console: Console,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        screen = console.screen
        carried_out = await run_action(console, action, default_namespace, namespaces)
        if carried_out and isinstance(screen, Page):
            done.add(f"{_screen(type(screen))}.{action}")
        return carried_out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Console, "run_action", noted)
        yield done
