"""Backups over the control API: make, list, check, and the recovery keys they are made for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from aiohttp import web

from appliance.config.node import BackupSettings
from appliance.control.backup_worker import BackupWorker
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, decoded, user
from appliance.control.observer import Observer
from appliance.control.roles import Role
from appliance.control.routes import Registers
from appliance.control.schema import Done, WhileAlone
from appliance.control.schema_backups import (
    BackupFileView,
    BackupRequest,
    Backups,
    NewRecoveryKey,
    RecoveryKeys,
    RecoveryKeyView,
    VerifyRequest,
)


class RecoveryKeyBook(Protocol):
    """What recovery keys are made of."""

    table: str

    def views(self, table: Mapping[str, bytes]) -> tuple[RecoveryKeyView, ...]:
        """Those of the site that can be used."""

    def register(self, key: NewRecoveryKey, at: int, by: str) -> tuple[str, bytes]:
        """A new one as a register's key and value; raises ValueError."""


class TableReader(Protocol):
    """Reads registers, for one thread at a time. Raises `Unavailable`."""

    def table(self, name: str) -> Mapping[str, bytes]:
        """Those of a table that are not deleted."""


class BackupsApi:
    """The handlers of the Unix socket that are about backups."""

    def __init__(
        self,
        settings: BackupSettings,
        worker: BackupWorker,
        files: Callable[[Path], Sequence[BackupFileView]],
        observer: Observer,
        reader: TableReader,
        registers: Registers,
        book: RecoveryKeyBook,
        wall: Callable[[], int],
        emit: Callable[..., None],
    ) -> None:
        """`files` lists a folder; it blocks, and raises OSError."""
        self._settings = settings
        self._worker = worker
        self._files = files
        self._observer = observer
        self._reader = reader
        self._registers = registers
        self._book = book
        self._wall = wall
        self._emit = emit

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        operator, administrator = Role.OPERATOR, Role.ADMINISTRATOR
        handlers.get("/backups", self.backups, operator)
        handlers.post("/backups", self.create, operator, "make a backup")
        handlers.post("/backups/verify", self.verify, operator, "verify a backup")
        handlers.get("/backups/run", self.run, operator)
        # Whoever adds a key can read all mail in later backups.
        handlers.get("/recovery-keys", self.keys, operator)
        handlers.post("/recovery-keys", self.add_key, administrator, "add a recovery key")
        path, action = "/recovery-keys/{id}/remove", "remove recovery key {id}"
        handlers.post(path, self.remove_key, administrator, action)

    async def backups(self, request: web.Request) -> web.Response:
        folder = request.query.get("folder") or self._settings.target
        files, problem = None, "no folder is set: backup.target in node.toml"
        if folder:
            try:
                files = tuple(await asyncio.to_thread(self._files, _absolute(folder)))
                problem = ""
            except OSError as error:
                problem = f"{folder}: {error.strerror or error}"
        run = self._worker.run
        return as_json(
            Backups(
                target=folder,
                keep=self._settings.keep,
                files=files,
                problem=problem,
                running=run if run is not None and run.running else None,
                last=self._worker.last,
            )
        )

    async def create(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), BackupRequest)
        folder = body.to or self._settings.target
        if not folder:
            raise BadRequest("no folder to write to", "name one, or set backup.target in node.toml")
        run = self._worker.begin("create", str(_absolute(folder)))
        self._emit("command", action="backup", path=folder, by=user(request))
        return as_json(run, 202)

    async def verify(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), VerifyRequest)
        return as_json(self._worker.begin("verify", str(_absolute(body.path))), 202)

    async def run(self, request: web.Request) -> web.Response:
        if self._worker.run is None:
            raise LookupError("no backup was made or checked since control started")
        return as_json(self._worker.run)

    async def keys(self, request: web.Request) -> web.Response:
        return as_json(RecoveryKeys(await self._views()))

    async def add_key(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), NewRecoveryKey)
        try:
            id_, value = self._book.register(body, self._wall(), user(request))
        except ValueError as error:
            raise BadRequest(str(error), "make one with `twinpost backup key create`") from None
        value_of = ((self._book.table, id_, value),)
        await self._registers.put_registers(value_of, body.while_alone)
        self._emit("command", action="add recovery key", key=id_, by=user(request))
        return as_json(Done(f"backups made from now on can be read with recovery key {id_}"))

    async def remove_key(self, request: web.Request) -> web.Response:
        body, id_ = decoded(await request.read(), WhileAlone), request.match_info["id"]
        if id_ not in [one.id for one in await self._views()]:
            raise LookupError(f"the site has no recovery key {id_}")
        await self._registers.put_registers(((self._book.table, id_, None),), body.while_alone)
        self._emit("command", action="remove recovery key", key=id_, by=user(request))
        return as_json(Done(f"backups made from now on cannot be read with recovery key {id_}"))

    async def _views(self) -> tuple[RecoveryKeyView, ...]:
        return self._book.views(await self._observer.read(self._reader.table, self._book.table))


def _absolute(path: str) -> Path:
    found = Path(path)
    if not found.is_absolute():
        raise BadRequest(f"{path!r} is no absolute path", "the node does not know where you are")
    return found
