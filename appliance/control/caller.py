"""Calls a process of this node over its socket, and says what went wrong in words for people."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Generic, TypeVar

from appliance.control.http import BadRequest
from appliance.ipc.client import Client, connect
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.wire import CallFailed, Codec, Received, Sent
from appliance.mail.reply import Refused, Reply
from appliance.mail.views import Unavailable

Answer = TypeVar("Answer")


class Caller(Generic[Sent, Received]):
    """One connection that is made again when it was lost; `name` is the process's."""

    def __init__(self, name: str, path: Path, codec: Codec[Sent, Received]) -> None:
        self._name = name
        self._path = path
        self._codec = codec
        self._client: Client[Sent, Received] | None = None
        self._connecting = asyncio.Lock()

    async def call(self, call: Sent, expect: type[Answer], patience: float | None) -> Answer:
        """Call it, for `patience` seconds at most.

        Raises Refused, BadRequest, LookupError, and Unavailable for all else.
        """
        try:
            async with asyncio.timeout(patience):
                client = await self._connected()
                return await client.request(call, expect)
        except CallFailed as error:
            failure = error.failure
            if failure.code == "refused":
                raise Refused(Reply(450, "4.3.0", failure.text), failure.hint) from error
            if failure.code == "bad request":
                raise BadRequest(failure.text, failure.hint) from error
            if failure.code == "not found":
                raise LookupError(failure.text) from error
            raise Unavailable(f"the {self._name} process could not: {failure.text}") from error
        except TimeoutError as error:
            raise Unavailable(f"the {self._name} process does not answer") from error
        except OSError as error:  # ConnectionLost too
            raise Unavailable(f"the {self._name} process is not there: {error}") from error

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.close()

    async def _connected(self) -> Client[Sent, Received]:
        async with self._connecting:
            if self._client is None:
                self._client = await connect(self._path, self._codec, on_lost=self._lost)
            return self._client

    def _lost(self, error: ConnectionLost) -> None:
        self._client = None
