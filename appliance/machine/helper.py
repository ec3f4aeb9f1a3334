"""The root helper's server: one request a connection, from the node's user and root alone.

What can be asked is a closed set of types; no path and no command of a caller's is ever run. What
has begun goes on when its caller is gone, until its end or its timeout.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, Union

import msgspec

from appliance.decoding import from_json
from appliance.ipc.machine import LINE_LIMIT, Answer, Call, Failed, Progress, Request, Result
from appliance.mail.visible import visible
from appliance.monitor.events import Emit, Event

R = TypeVar("R", bound=Request)
Tell = Callable[[Progress], None]
_UCRED = struct.Struct("3i")
_PATIENCE = 10.0
"""Seconds within which a caller has to say what it wants, and to read what it is told."""
_MOST_CALLERS = 32
_LONGEST_NAME = 100


class HelperError(Exception):
    """What was asked is not done; `hint` says what to do."""

    def __init__(self, cause: str, hint: str = "") -> None:
        super().__init__(cause)
        self.hint = hint


@dataclass(frozen=True)
class Operation(Generic[R]):
    """How requests of a type are carried out: `run` raises HelperError, OSError.

    `timeout` in seconds. `changes`: it is told in the log, and not beside another that changes.
    """

    request: type[R]
    run: Callable[[R, Tell], Awaitable[msgspec.Struct]]
    timeout: float
    changes: bool


class Helper:
    """Serves `operations` to the users with the numbers in `allowed`."""

    def __init__(
        self, operations: Sequence[Operation[Any]], allowed: Collection[int], emit: Emit
    ) -> None:
        self._operations = {one.request: one for one in operations}
        self._allowed = frozenset(allowed)
        self._emit = emit
        self._decode = msgspec.json.Decoder(Union[tuple(self._operations)]).decode  # noqa: UP007
        self._changing = ""
        self._callers: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Until it is cancelled; what is under way then ends first."""
        # start_unix_server would remove the socket's file at its end, which is systemd's.
        server = await asyncio.start_server(self._called, sock=listener, limit=LINE_LIMIT)
        try:
            await server.serve_forever()
        finally:
            if self._callers:
                await asyncio.wait(self._callers)

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._callers.add(task)
        try:
            if len(self._callers) <= _MOST_CALLERS:
                await self._answer(reader, writer)
        finally:
            self._callers.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def tell(answer: Answer) -> None:
            if not writer.is_closing():
                writer.write(msgspec.json.encode(answer) + b"\n")

        user = _user(writer)
        if user not in self._allowed:
            self._emit(Event.MACHINE_CALLER_REFUSED, uid=user)
            tell(Failed("this user may not ask the root helper", "use `twinpost machine`"))
        else:
            with suppress(OSError, ValueError):  # it was gone, or said too much or too little
                async with asyncio.timeout(_PATIENCE):
                    line = await reader.readline()
                tell(await self._done(line, tell))
        with suppress(OSError):
            async with asyncio.timeout(_PATIENCE):
                await writer.drain()

    async def _done(self, line: bytes, tell: Tell) -> Answer:
        try:
            call = from_json(line, Call)
            request = self._decode(call.request)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Failed(f"that is no request: {error}", "control and helper are of one release")
        operation = self._operations[type(request)]
        if not operation.changes:
            return await _carried_out(operation, request, tell)
        name = type(request).__name__
        if self._changing:
            return Failed(f"{self._changing} is under way", "wait until it has ended")
        self._changing = name
        try:
            answer = await _carried_out(operation, request, tell)
        finally:
            self._changing = ""
        by = visible(call.by, _LONGEST_NAME)
        failed = {"error": answer.cause} if isinstance(answer, Failed) else {}
        self._emit(Event.MACHINE_CHANGED, request=name, by=by, **failed)
        return answer


async def _carried_out(operation: Operation[R], request: R, tell: Tell) -> Answer:
    try:
        async with asyncio.timeout(operation.timeout):
            value = await operation.run(request, tell)
    except HelperError as error:
        return Failed(str(error), error.hint)
    except TimeoutError:
        hint = "look at the machine; then try again"
        return Failed(f"it did not end within {operation.timeout:.0f} s", hint)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return Failed(f"{where}{error.strerror or error}", "look at the disk and the machine")
    return Result(msgspec.Raw(msgspec.json.encode(value)))


def _user(writer: asyncio.StreamWriter) -> int:
    """Who is at the other end, as the kernel knows it."""
    sock = writer.get_extra_info("socket")
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    user: int = _UCRED.unpack(raw)[1]
    return user
