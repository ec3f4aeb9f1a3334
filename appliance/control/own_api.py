"""This node's own API, as it is called for somebody whom the other node vouches for."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hmac import compare_digest
from pathlib import Path

import aiohttp
from aiohttp import web
from yarl import URL

from appliance.control.roles import Role, Who

_SCHEME = "Relay "
_CALLER = "Twinpost-Caller"


class Vouchers:
    """Says for whom a call is that this process makes to itself: nobody else knows the secret."""

    def __init__(self) -> None:
        self._secret = secrets.token_hex(16)

    def headers(self, who: Who) -> dict[str, str]:
        """What such a call carries."""
        caller = json.dumps([who.name, str(who.role or "")])
        return {"Authorization": _SCHEME + self._secret, _CALLER: caller}

    def who(self, request: web.Request) -> Who | None:
        """Whom the call is for; None if it is no such call."""
        given = request.headers.get("Authorization", "")
        if not compare_digest(given.encode("utf-8", "replace"), (_SCHEME + self._secret).encode()):
            return None
        name, role = json.loads(request.headers[_CALLER])
        return Who(name, Role(role), local=False)


class OwnApi:
    """Calls the control socket of this process."""

    def __init__(self, socket: Path, vouchers: Vouchers) -> None:
        self._vouchers = vouchers
        # Through a descriptor: the path may be longer than a socket's name can be.
        self._folder = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._name = socket.name
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def request(
        self, method: str, path: str, body: bytes, who: Who
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer; raises aiohttp.ClientError, OSError."""
        if self._session is None:
            where = f"/proc/self/fd/{self._folder}/{self._name}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(where),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        url = URL(f"http://localhost{path}", encoded=True)
        headers = self._vouchers.headers(who)
        async with self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            yield response

    async def close(self) -> None:
        """End its connections."""
        if self._session is not None:
            await self._session.close()
        os.close(self._folder)
