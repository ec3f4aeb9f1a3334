"""Opens the control API's listeners and closes them again."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from appliance.config.units import Endpoint
from appliance.ipc.socket_file import listening_socket, remove_socket_file

_SHUTDOWN = 5.0
"""Seconds that requests under way get to end."""


@asynccontextmanager
async def serving(
    api: web.Application,
    path: Path,
    public: web.Application,
    endpoints: Sequence[Endpoint],
    group: int | None = None,
) -> AsyncIterator[None]:
    """Serve `api` on the Unix socket `path` and `public` on TCP; raises OSError.

    Members of `group` may connect to `path`, too.
    """
    api_runner = web.AppRunner(api, access_log=None, shutdown_timeout=_SHUTDOWN)
    public_runner = web.AppRunner(public, access_log=None, shutdown_timeout=_SHUTDOWN)
    await api_runner.setup()
    await public_runner.setup()
    try:
        for endpoint in endpoints:
            await web.TCPSite(public_runner, endpoint.host, endpoint.port).start()
        with listening_socket(path) as sock:
            await web.SockSite(api_runner, sock).start()
        if group is not None:
            _let_in(path, group)
        inode = _inode(path)
        try:
            yield
        finally:
            remove_socket_file(path, inode)
    finally:
        await public_runner.cleanup()
        await api_runner.cleanup()


def _let_in(path: Path, group: int) -> None:
    """The folder may be passed through, not read; its other sockets stay the owner's."""
    for one, mode in ((path.parent, 0o710), (path, 0o660)):
        if one.stat().st_gid != group:  # a sandbox may forbid it, also where it changes nothing
            os.chown(one, -1, group)
        one.chmod(mode)


def _inode(path: Path) -> int:
    return path.lstat().st_ino
