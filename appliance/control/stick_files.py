"""Files that somebody takes along on a stick, from a screen that has no files of its own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from aiohttp import web

from appliance.control.handlers import Handlers
from appliance.control.helper import Helper
from appliance.control.http import BadRequest, NotDone, as_json, user
from appliance.control.roles import Role
from appliance.ipc.machine import Done, MountStick, StickView

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LARGEST = 256 << 20
_BLOCK = 1 << 16
_MOST = 99
"""So many files of one name on a stick."""


class StickFiles:
    """The handler of the Unix socket that writes them; `run` has what is on its way."""

    def __init__(self, helper: Helper, run: Path) -> None:
        self._helper = helper
        self._run = run

    def add_to(self, handlers: Handlers) -> None:
        """Add the route."""
        handlers.post(
            "/machine/sticks/{id}/files/{name}",
            self.write,
            Role.OPERATOR,
            "write {name} to stick {id}",
        )

    async def write(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if not _NAME.fullmatch(name):
            raise BadRequest("no file can be called so", "letters, digits, dots, dashes")
        with NamedTemporaryFile(dir=self._run, prefix="stick.") as file:
            async for block in request.content.iter_chunked(_BLOCK):
                file.write(block)
                if file.tell() > _LARGEST:
                    raise BadRequest("the file is too large", f"{_LARGEST} bytes at most")
            file.flush()
            wanted = MountStick(request.match_info["id"])
            stick = await self._helper.ask(wanted, StickView, user(request))
            if not stick.store:
                raise NotDone("that stick can only be read", "take one with FAT, exFAT or ext4")
            written = await asyncio.to_thread(copy, Path(file.name), Path(stick.store) / name)
        return as_json(Done(f"{written.name} is on the stick, and was read back."))


def copy(source: Path, target: Path) -> Path:
    """Copy to a new file, and read that back; where it is in the end. Raises NotDone.

    What is not whole does not stay: somebody would take it home.
    """
    path = _free(target)
    try:
        opened = path.open("xb")
    except OSError as error:
        raise _failed(path, error) from error
    try:
        with opened, source.open("rb") as file:
            shutil.copyfileobj(file, opened)
            opened.flush()
            os.fsync(opened.fileno())
            # What stays in memory says nothing of a stick.
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if _digest(source) != _digest(path):
            raise NotDone(f"{path.name} reads back otherwise than written", "take another stick")
    except (OSError, NotDone) as error:
        with suppress(OSError):
            path.unlink()
        raise _failed(path, error) from error
    return path


def _failed(path: Path, error: OSError | NotDone) -> NotDone:
    if isinstance(error, NotDone):
        return error
    return NotDone(f"{path.name}: {error.strerror}", "take a stick with room")


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _free(target: Path) -> Path:
    """Nothing on a stick is ever written over: a name that is taken gets a number."""
    names = [target, *(target.with_stem(f"{target.stem}-{n}") for n in range(2, _MOST + 1))]
    for path in names:
        if not path.exists():
            return path
    raise NotDone(f"the stick has {_MOST} files called {target.name}", "take another stick")
