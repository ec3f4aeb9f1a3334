"""Mail from elsewhere into mailboxes: accepted like any other, on both nodes, with queue ids."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from appliance.config.live import Site
from appliance.ipc.mail import FiledMail, FileMailCall
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.queue_id import QueueId
from appliance.mail.reply import Refused, Reply
from appliance.mail.route import Mailbox
from appliance.spool.intake import SpoolIntake

_BLOCK = 256 << 10
_REMEMBERED = 100_000


class Importer:
    """Takes one message at a time from a file. `clock`: milliseconds since 1970."""

    def __init__(self, intake: SpoolIntake, site: Site, clock: Callable[[], int]) -> None:
        self._intake = intake
        self._site = site
        self._clock = clock
        # What is on its way into a mailbox is not in it yet.
        self._taken: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    async def file(self, call: FileMailCall) -> FiledMail:
        """Durable when this returns; raises Refused, OSError."""
        address = self._address(call.mailbox)
        path = Path(call.path)
        with await asyncio.to_thread(path.open, "rb") as file:
            digest = await asyncio.to_thread(_digest, file)
            if (call.mailbox, digest) in self._taken:
                return FiledMail("")
            # Nobody is told of its end: whoever sent it has long been told.
            envelope = Envelope(
                sender="",
                recipients=(Recipient(address, ("NEVER",)),),
                body="8BITMIME",
                smtputf8=not address.isascii(),
                received_at=self._clock(),
            )
            queue_id = self._intake.new_queue_id()
            await self._accept(queue_id, envelope, file)
        self._taken[call.mailbox, digest] = None
        if len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)
        return FiledMail(queue_id)

    async def _accept(self, queue_id: QueueId, envelope: Envelope, file: BinaryIO) -> None:
        file.seek(0)
        block = await asyncio.to_thread(file.read, self._intake.inline_limit + 1)
        if len(block) <= self._intake.inline_limit:
            await self._intake.accept(queue_id, envelope, block)
            return
        body = await self._intake.open_body(queue_id)
        try:
            while block:
                await body.write(block)
                block = await asyncio.to_thread(file.read, _BLOCK)
            await self._intake.accept_body(queue_id, envelope, body)
        except BaseException:
            await body.abort()
            raise

    def _address(self, mailbox: str) -> str:
        """An address whose mail is filed there."""
        site = self._site.current
        routes = site.table()
        postmasters = (f"postmaster@{domain}" for domain in site.domains)
        for address in (*site.mailboxes(), *postmasters):
            if routes.resolve(address).transport == Mailbox(mailbox):
                return address
        hint = "add a user with this mailbox first"
        raise Refused(Reply(550, "5.1.1", f"no address of the site leads to {mailbox!r}"), hint)


def _digest(file: BinaryIO) -> bytes:
    made = sha256()
    while block := file.read(_BLOCK):
        made.update(block)
    return made.digest()
