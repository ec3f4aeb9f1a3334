"""Who calls on the control socket: what the kernel says of them, and what they present."""

from __future__ import annotations

import os
import pwd
import socket
import struct

from aiohttp import web

from appliance.control.http import Forbidden
from appliance.control.own_api import Vouchers
from appliance.control.roles import Role, Who

_UCRED = struct.Struct("3i")


class Access:
    """Knows root and the node's user as administrators."""

    def __init__(self, vouchers: Vouchers) -> None:
        self._vouchers = vouchers

    def who(self, request: web.Request) -> Who:
        """Who calls; raises Forbidden."""
        number = _uid(request)
        # Whatever the mode of the socket file has become.
        if number not in (0, os.geteuid()):
            raise Forbidden("only root and the node's user may", "use sudo")
        return self._vouchers.who(request) or Who(_name(number), Role.ADMINISTRATOR)


def _uid(request: web.Request) -> int:
    """The user at the other end of the Unix socket, as the kernel knows it."""
    assert request.transport is not None
    peer = request.transport.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    number: int = _UCRED.unpack(credentials)[1]
    return number


def _name(number: int) -> str:
    """That user's name, or number if it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
