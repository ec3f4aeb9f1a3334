"""Active checks of a server: can it be connected to, does it speak SMTP, does it take mail?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from appliance.balance.dial import dial
from appliance.balance.proxy import LOCAL
from appliance.config.balance import ServerSettings
from appliance.mail.visible import visible

_LONGEST = 4096
"""Bytes of a line, and of an answer, that a check reads."""
_LINES = 100
_SHOWN = 200
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n")


class CheckFailed(Exception):
    """The server is there, and not as it should be."""


async def check(server: ServerSettings, source: str) -> None:
    """Look once, from the address `source`; raises CheckFailed and OSError.

    Takes as long as the server does: the caller sets a timeout.
    """
    async with _connected(server, source) as (reader, writer):
        match server.check:
            case "tcp":
                return
            case "smtp":
                await _smtp(reader, writer)
            case "http":
                await _http(reader, writer, server.checked)


@asynccontextmanager
async def _connected(
    server: ServerSettings, source: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    sock = await dial(server.checked, source)
    reader, writer = await asyncio.open_connection(sock=sock, limit=_LONGEST)
    try:
        if server.checked == server.address:
            writer.write(LOCAL)
        yield reader, writer
    finally:
        writer.close()


async def _smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The greeting, then QUIT (RFC 5321 §4.3.1): what a client would get, and no error there."""
    await _reply(reader, b"220", "greeting")
    writer.write(b"QUIT\r\n")
    await _reply(reader, b"221", "reply to QUIT")


async def _reply(reader: asyncio.StreamReader, code: bytes, what: str) -> None:
    for _ in range(_LINES):
        line = await _line(reader)
        if line[:3] != code or line[3:4] not in (b" ", b"-", b"\r", b"\n"):
            raise CheckFailed(f"{what}: {_text(line)}")
        if line[3:4] != b"-":
            return
    raise CheckFailed(f"{what}: it never ends")


async def _http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
    """200 is said by a node that can accept durable mail; its JSON says why not."""
    writer.write(f"GET /health HTTP/1.0\r\nHost: {host}\r\n\r\n".encode("ascii"))
    answer = b""
    while len(answer) < _LONGEST and (more := await reader.read(_LONGEST)):
        answer += more
    status = _STATUS.match(answer)
    if status is None:
        raise CheckFailed(f"no HTTP: {_text(answer)}")
    if status[1] != b"200":
        body = answer.partition(b"\r\n\r\n")[2]
        raise CheckFailed(f"/health answers {status[1].decode('ascii')}: {_text(body)}")


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        line = await reader.readline()
    except ValueError:
        raise CheckFailed(f"a line of over {_LONGEST} bytes") from None
    if not line.endswith(b"\n"):
        raise CheckFailed("it closed the connection")
    return line


def _text(foreign: bytes) -> str:
    return visible(foreign.decode("utf-8", "replace").strip(), _SHOWN)
