"""Nothing is drawn when nothing changed; a node that goes away is told of, and found again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widget import Widget
from textual.worker import Worker

from tests.pair.harness import until
from tests.tui.control import serving
from tests.tui.screen import seen
from tests.tui.values import ANSWERS


@pytest.mark.parametrize("name", ["overview", "queue", "pair"])
async def test_a_screen_at_rest_writes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path, ANSWERS) as control:
        async with seen(control.path) as console:
            await console.go(name)
            written: list[str] = []
            monkeypatch.setattr(console.console._driver, "write", written.append)
            control.asked.clear()

            async def looked() -> bool:
                return [path for _, path, _ in control.asked].count("/status") >= 4

            await until(looked, "the node was asked again and again")
            assert "".join(written) == ""


async def test_a_node_that_is_away_is_told_of_and_found_again(tmp_path: Path) -> None:
    with serving(tmp_path, ANSWERS) as control:
        async with seen(control.path) as console:
            control.path.rename(tmp_path / "away")
            await console.sees("NODE AWAY")
            (tmp_path / "away").rename(control.path)
            await console.sees(lambda text: "NODE AWAY" not in text and "paired for" in text)


class _Part(Widget):
    """Looks, when it is removed, whether anybody could still show something in it."""

    def __init__(self, worker: Worker[object]) -> None:
        super().__init__()
        self._worker = worker
        self.ended = False

    def on_unmount(self) -> None:
        self.ended = self._worker.is_cancelled


async def test_what_a_screen_waits_for_ends_before_its_parts_go(tmp_path: Path) -> None:
    with serving(tmp_path, ANSWERS) as control:
        async with seen(control.path) as console:
            page = console.console.screen
            part = _Part(page.run_worker(asyncio.Event().wait()))
            await page.mount(part)
        assert part.ended
