"""What the handlers of the control API share: who asks, bodies in, values out."""

from __future__ import annotations

import pwd
import socket
import struct
from typing import TypeVar

import msgspec
from aiohttp import web

T = TypeVar("T")
_UCRED = struct.Struct("3i")


class BadRequest(Exception):
    """The request itself is wrong; `hint` says what is right."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def uid(request: web.Request) -> int:
    """The user at the other end of the Unix socket, as the kernel knows it."""
    assert request.transport is not None
    peer = request.transport.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    number: int = _UCRED.unpack(credentials)[1]
    return number


def user(request: web.Request) -> str:
    """That user's name, or number if it has none."""
    number = uid(request)
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def decoded(body: bytes, wanted: type[T]) -> T:
    """The body of a request; raises BadRequest."""
    try:
        return msgspec.json.decode(body, type=wanted)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error), "docs/json.md describes the body") from None


def as_json(value: object, status: int = 200) -> web.Response:
    """A value as JSON."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )
