"""Opens the control API's listeners and closes them again."""

from __future__ import annotations

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
    api: web.Application, path: Path, public: web.Application, endpoints: Sequence[Endpoint]
) -> AsyncIterator[None]:
    """Serve `api` on the Unix socket `path` and `public` on TCP; raises OSError."""
    api_runner = web.AppRunner(api, access_log=None, shutdown_timeout=_SHUTDOWN)
    public_runner = web.AppRunner(public, access_log=None, shutdown_timeout=_SHUTDOWN)
    await api_runner.setup()
    await public_runner.setup()
    try:
        for endpoint in endpoints:
            await web.TCPSite(public_runner, endpoint.host, endpoint.port).start()
        with listening_socket(path) as sock:
            await web.SockSite(api_runner, sock).start()
        inode = _inode(path)
        try:
            yield
        finally:
            remove_socket_file(path, inode)
    finally:
        await public_runner.cleanup()
        await api_runner.cleanup()


def _inode(path: Path) -> int:
    return path.lstat().st_ino
