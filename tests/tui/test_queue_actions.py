"""Every action of the queue's screens, by its keys, against a real pair."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from appliance.control.client import Client
from appliance.mail.views import MessageStory, QueueFilter
from tests.pair.harness import SMTP, until
from tests.pair.moving import Moving
from tests.tui.acts import acts
from tests.tui.screen import Seen, seen
from tui.screens.queue import Queue

pytestmark = pytest.mark.xdist_group("console")
_numbers = count(1)


class Mail:
    """Messages that a test has sent to a pair, known by a sender of their own."""

    def __init__(self, pair: Moving, recipients: Sequence[str]) -> None:
        self.client = Client(pair.a.layout.control_socket)
        self.sender = f"test{next(_numbers)}@ship.test"
        with smtplib.SMTP(pair.a.address, SMTP) as smtp:
            for one in recipients:
                smtp.sendmail(self.sender, [one], b"Subject: tide tables\r\n\r\nHigh at noon.\r\n")
        page = self.client.queue_page(QueueFilter(sender=self.sender), 100, "")
        self.ids = [one.queue_id for one in page.entries]
        assert len(self.ids) == len(recipients)

    async def are(self, wanted: Callable[[MessageStory], bool]) -> None:
        """Wait until all are as wanted."""

        def look() -> bool:
            return all(wanted(self.client.message(one)) for one in self.ids)

        async def fits() -> bool:
            return await asyncio.to_thread(look)

        await until(fits, "the messages are as wanted", 20.0)


@asynccontextmanager
async def queue(pair: Moving, *recipients: str) -> AsyncIterator[tuple[Seen, Mail]]:
    """The queue's screen with nothing but new messages to these recipients."""
    mail = await asyncio.to_thread(Mail, pair, recipients)
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("queue")
        await console.press("slash")
        await console.type(mail.sender)
        await console.press("enter")
        await console.sees(lambda text: _told(len(mail.ids)) in text and mail.ids[0] in text)
        yield console, mail


def _told(number: int) -> str:
    return f"\n {number} message" + ("s\n" if number > 1 else "\n")


def all_are(status: str) -> Callable[[MessageStory], bool]:
    return lambda story: all(one.status == status for one in story.recipients)


@acts("queue.filter", "queue.change('hold')", "queue.change('release')")
async def test_hold_and_release_one(pair: Moving) -> None:
    async with queue(pair, "one@far.test") as (console, mail):
        await console.press("h")
        await mail.are(all_are("held"))
        await console.sees("1 recipient of 1 message held")
        await console.press("l")
        await mail.are(lambda story: not all_are("held")(story))
        await console.sees("1 recipient of 1 message released")


async def test_hold_all_that_are_marked_asks_first(pair: Moving) -> None:
    async with queue(pair, "one@far.test", "two@far.test", "three@far.test") as (console, mail):
        await console.press("space", "space", "space")
        await console.sees("3 messages, 3 marked")
        await console.press("h")
        await console.sees("3 messages will stay in the queue")
        await console.press("n")
        await console.press("h", "y")
        await mail.are(all_are("held"))


@acts("queue.change('retry')")
async def test_retry_makes_deferred_mail_due(pair: Moving) -> None:
    async with queue(pair, "one@far.test") as (console, mail):
        await mail.are(lambda story: story.recipients[0].tries > 0)
        await console.press("r")
        await console.sees("due now")


@acts("queue.change('remove')")
async def test_remove_needs_a_yes(pair: Moving) -> None:
    async with queue(pair, "one@held.test") as (console, mail):
        await console.press("x")
        await console.sees("nobody is told")
        await console.press("enter")  # stands on no
        await mail.are(all_are("held"))
        await console.press("x", "y")
        await mail.are(all_are("removed"))
        await console.sees("Nothing waits.")


@acts("queue.change('redirect')")
async def test_redirect_wants_an_address(pair: Moving) -> None:
    async with queue(pair, "one@held.test") as (console, mail):
        await console.press("d")
        await console.type("nobody")
        await console.press("enter")
        await console.sees("write an address")
        await console.type("@held.test")
        await console.press("enter")
        await mail.are(lambda story: story.recipients[0].address == "nobody@held.test")


@acts("queue.export")
async def test_export(pair: Moving, tmp_path: Path) -> None:
    async with queue(pair, "one@held.test") as (console, mail):
        await console.press("e")
        await console.sees("Folder:")
        await console.press("ctrl+u", "ctrl+k")
        await console.type(str(tmp_path / "out"))
        await console.press("enter")
        await console.sees("1 message written")
        written = (tmp_path / "out" / f"{mail.ids[0]}.eml").read_bytes()
        assert written.endswith(b"High at noon.\r\n")


@acts("message.change('release')", "message.change('remove')", "message.back")
async def test_a_message_and_its_story(pair: Moving) -> None:
    async with queue(pair, "one@held.test") as (console, mail):
        await console.press("enter")
        text = await console.sees("accepted: held")
        assert mail.ids[0] in text
        assert "one@held.test" in text
        await console.press("l")
        await console.sees("released")
        await console.press("x", "y")
        await console.sees("removed")
        await console.press("escape")
        await console.sees("Nothing waits.")


async def test_the_other_node_shows_the_same(pair: Moving) -> None:
    async with queue(pair, "one@held.test") as (console, mail):
        await console.press("f3")
        text = await console.sees(lambda text: "the other node" in text and mail.ids[0] in text)
        assert "node b" in text


async def test_a_filter_that_cannot_be_meant_says_so(pair: Moving) -> None:
    async with queue(pair, "one@held.test") as (console, _):
        await console.press("slash")
        await console.type(" size:3")
        await console.sees("size: is no field")


@acts("queue.back", "queue.filter")
async def test_escape_leads_from_the_filter_to_the_marks_to_everything(pair: Moving) -> None:
    async with queue(pair, "one@held.test", "two@held.test") as (console, _):
        await console.press("space")
        await console.sees("1 marked")
        await console.press("slash", "escape", "escape")
        await console.sees(lambda text: "marked" not in text and _told(2) in text)
        await console.press("escape")
        await console.sees("any part of an address")


@acts(
    "message.change('hold')",
    "message.change('retry')",
    "message.change('redirect')",
    "message.export",
)
async def test_a_message_alone_is_held_redirected_and_exported(
    pair: Moving, tmp_path: Path
) -> None:
    async with queue(pair, "one@far.test") as (console, mail):
        await console.press("enter")
        await console.sees("what happened")
        await console.press("h")
        await mail.are(all_are("held"))
        await console.press("d")
        await console.sees("New recipient:")
        await console.type("else@held.test")
        await console.press("enter")
        await mail.are(lambda story: story.recipients[0].address == "else@held.test")
        await console.press("r")
        await console.sees("due now")
        await console.press("e")
        await console.sees("Folder:")
        await console.press("ctrl+u", "ctrl+k")
        await console.type(str(tmp_path))
        await console.press("enter")
        await console.sees("1 message written")
    assert (tmp_path / f"{mail.ids[0]}.eml").is_file()


async def test_a_kiosk_exports_to_sticks_only(pair: Moving) -> None:
    async with queue(pair, "one@held.test") as (console, _):
        console.console.kiosk = True
        await console.press("e")
        await console.sees("does not manage its")


async def test_the_mouse_chooses_opens_and_answers(pair: Moving) -> None:
    async with queue(pair, "one@held.test", "two@held.test") as (console, mail):
        page = console.console.screen
        assert isinstance(page, Queue)
        await console.pilot.click(page.table, offset=(10, 2))
        assert page.table.cursor == 1
        await console.press("x")
        await console.sees("nobody is told")
        await console.pilot.click("#no")
        await console.sees(_told(2))
        await console.press("x")
        await console.sees("nobody is told")
        await console.pilot.click("#yes")
        await console.sees("1 recipient of 1 message removed")
        await console.sees(_told(1))
        await console.pilot.click(page.table, offset=(10, 1), times=2)
        await console.sees("what happened")
        assert mail.ids[0] in console.text()
    async with seen(pair.a.layout.control_socket, (120, 40)) as console:
        await console.pilot.click("Menu", offset=(4, 2))
        await console.sees("any part of an address")
        assert console.console.screen.name == "queue"
