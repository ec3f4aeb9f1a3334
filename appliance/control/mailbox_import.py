"""Mail from elsewhere into mailboxes, over the control API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from aiohttp import web

from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, user
from appliance.control.observer import Observer
from appliance.control.roles import Role
from appliance.control.schema import Digests, Filed

_LARGEST = 256 << 20
"""Bytes of a message; mail of other systems may be larger than what this one takes by SMTP."""
_BLOCK = 256 << 10


class DigestReader(Protocol):
    """Reads the spool, for one thread at a time. Raises `Unavailable`."""

    def digests(self, mailbox: str) -> Sequence[str]:
        """SHA-256 in hex of the content of everything in a mailbox."""


class ImportCommands(Protocol):
    """The mail process. Raises `Unavailable` when it does not answer, and `Refused`."""

    async def file_mail(self, mailbox: str, path: str, by: str) -> str:
        """File a message; its queue id, "" if the mailbox has just got the same."""


class ImportApi:
    """The handlers of the Unix socket that fill mailboxes; messages wait for their turn in `run`.

    They are handed over as files: content never crosses the sockets between processes.
    """

    def __init__(
        self, observer: Observer, reader: DigestReader, commands: ImportCommands, run: Path
    ) -> None:
        self._observer = observer
        self._reader = reader
        self._commands = commands
        self._run = run

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/mailboxes/{name}/digests", self.digests, Role.OPERATOR)
        handlers.post(
            "/mailboxes/{name}/messages", self.file, Role.ADMINISTRATOR, "import into {name}"
        )

    async def digests(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return as_json(Digests(tuple(await self._observer.read(self._reader.digests, name))))

    async def file(self, request: web.Request) -> web.Response:
        with NamedTemporaryFile(dir=self._run, prefix="import.") as file:
            async for block in request.content.iter_chunked(_BLOCK):
                file.write(block)
                if file.tell() > _LARGEST:
                    raise BadRequest("the message is too large", f"{_LARGEST} bytes at most")
            if not file.tell():
                raise BadRequest("the message is empty", "send it as message/rfc822")
            file.flush()
            name = request.match_info["name"]
            return as_json(Filed(await self._commands.file_mail(name, file.name, user(request))))
