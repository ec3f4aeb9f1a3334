"""Mailboxes and their messages, by keys, against a real pair."""

from __future__ import annotations

import asyncio
import smtplib

import pytest

from appliance.control.client import Client
from tests.pair.harness import SMTP, until
from tests.pair.moving import Moving
from tests.tui.acts import acts
from tests.tui.screen import seen
from tui.screens.mailbox import Mailbox

pytestmark = pytest.mark.xdist_group("console")


@acts("mailbox.back", "message.back")
async def test_a_mailbox_and_a_message_in_it_are_opened(pair: Moving) -> None:
    client = Client(pair.a.layout.control_socket)

    def send() -> None:
        with smtplib.SMTP(pair.a.address, SMTP) as smtp:
            content = b"Subject: tide tables\r\n\r\nSprings on Friday.\r\n"
            smtp.sendmail("pilot@port.test", ["bob@site.test"], content)

    async def filed() -> bool:
        found = await asyncio.to_thread(client.mailboxes)
        return any(one.name == "bob" for one in found)

    await asyncio.to_thread(send)
    await until(filed, "the message is in the mailbox")
    names = [one.name for one in await asyncio.to_thread(client.mailboxes)]
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("mailboxes")
        await console.sees("bob")
        await console.press(*["down"] * names.index("bob"), "enter")
        await console.sees("pilot@port.test")
        await console.sees("bob  1 message")
        await console.press("enter")
        await console.sees("in a mailbox")
        await console.press("end")
        await console.sees("Springs on Friday.")
        await console.press("escape")
        await console.sees("bob  1 message")
        await console.press("f3")
        await console.sees(lambda text: "the other node" in text and "pilot@port.test" in text)
        await console.press("escape")
        await console.sees("Mailboxes")


async def test_more_messages_are_read_page_by_page(pair: Moving) -> None:
    """The calls of two pages, joined, are what one call gives: none is missed or seen twice."""
    client = Client(pair.a.layout.control_socket)

    def file_three() -> list[str]:
        contents = [b"Subject: %d\r\n\r\nhello\r\n" % number for number in range(3)]
        return [client.file_mail("alice", content) for content in contents]

    def pages() -> tuple[list[str], list[str]]:
        joined = [one.queue_id for page in client.mailbox("alice", 2) for one in page.entries]
        whole = client.mailbox_page("alice", 1000, "")
        return joined, [one.queue_id for one in whole.entries]

    filed = set(await asyncio.to_thread(file_three))

    async def there() -> bool:
        return filed <= set((await asyncio.to_thread(pages))[1])

    await until(there, "what was accepted is in the mailbox")
    joined, whole = await asyncio.to_thread(pages)
    assert len(whole) >= 3
    assert joined == whole
    async with seen(pair.a.layout.control_socket) as console:
        await console.go("mailboxes")
        await console.press(*["down"] * await asyncio.to_thread(_place, client, "alice"), "enter")
        await console.sees("alice  ")
        page = console.console.screen
        assert isinstance(page, Mailbox)
        row = page.table.row
        assert row is not None
        assert row.queue_id == whole[-1]  # the newest is on top


def _place(client: Client, name: str) -> int:
    return [one.name for one in client.mailboxes()].index(name)
