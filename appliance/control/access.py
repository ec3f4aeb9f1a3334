"""Who calls on the control socket: what the kernel says of them, and what they present."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from array import array
from contextlib import suppress

from aiohttp import web

from appliance.control.http import Forbidden
from appliance.control.own_api import Vouchers
from appliance.control.roles import Role, Who
from appliance.control.sessions import Sessions

_UCRED = struct.Struct("3i")
_SO_PEERGROUPS = 59
_MOST_GROUPS = 1024  # bytes: more Python does not ask for
_ROOT = 0
_BEARER = "Bearer "
_IDLE = "Twinpost-Idle"
"""A header of calls that a program makes by itself: they keep no session alive."""


class Access:
    """Root and the node's user are administrators, unless they present a session.

    Of the others the members of `group` may present one; nobody may if it is None.
    """

    def __init__(self, vouchers: Vouchers, sessions: Sessions, group: int | None) -> None:
        self._vouchers = vouchers
        self._sessions = sessions
        self._group = group

    async def who(self, request: web.Request) -> Who:
        """Who calls; raises Forbidden, Unauthorized, Unavailable."""
        number = credentials(request)[0]
        own = number in (_ROOT, node_user())
        # Whatever the mode of the socket file has become.
        if not own and (self._group is None or self._group not in groups(request)):
            raise Forbidden("only root and the node's user may", "use sudo")
        if own and (vouched := self._vouchers.who(request)):
            return vouched
        if token := bearer(request):
            return await self._sessions.who(token, idle=_IDLE in request.headers)
        return Who(user_name(number), Role.ADMINISTRATOR if own else None)

    @staticmethod
    def client(request: web.Request) -> str:
        """Whose wrong passwords are counted together."""
        return f"uid {credentials(request)[0]}"


def node_user() -> int:
    """The user whose node this is."""
    return os.geteuid()


def bearer(request: web.Request) -> str | None:
    """The token of a session (RFC 6750 §2.1)."""
    given = request.headers.get("Authorization", "")
    return given.removeprefix(_BEARER) if given.startswith(_BEARER) else None


def credentials(request: web.Request) -> tuple[int, int]:
    """User and group at the other end of the Unix socket, as the kernel knows them."""
    raw = _socket(request).getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, user, group = _UCRED.unpack(raw)
    return user, group


def groups(request: web.Request) -> frozenset[int]:
    """All groups of that process; of one with hundreds of them, the first only."""
    others = array("I")
    with suppress(OSError):
        raw = _socket(request).getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS)
        others.frombytes(raw)
    return frozenset((credentials(request)[1], *others))


def _socket(request: web.Request) -> socket.socket:
    assert request.transport is not None
    found: socket.socket = request.transport.get_extra_info("socket")
    return found


def user_name(number: int) -> str:
    """That user's name, or number if it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
