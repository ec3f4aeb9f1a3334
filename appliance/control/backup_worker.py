"""Backups run in a process of their own; this starts it and hears how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from appliance.control.schema_backups import BackupRun
from appliance.decoding import from_json
from appliance.mail.reply import Refused, Reply

_LINE_LIMIT = 1 << 20


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the worker's: how far it is, or, with `ended`, what came of it."""

    stage: str = ""
    done: int = 0
    total: int = 0
    ended: bool = False
    error: str = ""
    hint: str = ""
    name: str = ""
    size: int = 0
    messages: int = 0
    damaged: int = 0
    removed: tuple[str, ...] = ()


class BackupWorker:
    """One at a time. `command` makes a worker's arguments, from what it is to do and a path."""

    def __init__(
        self,
        command: Callable[[str, str], Sequence[str]],
        environment: Callable[[], dict[str, str]],
        clock: Callable[[], int],
        wall: Callable[[], int],
        emit: Callable[..., None],
    ) -> None:
        """`clock` and `wall` in milliseconds; the first for lengths, the second for people."""
        self._command = command
        self._environment = environment
        self._clock = clock
        self._wall = wall
        self._emit = emit
        self._task: asyncio.Task[BackupRun] | None = None
        self.run: BackupRun | None = None
        """What is under way, or was last."""
        self.last: BackupRun | None = None
        """The backup that was made, or failed, last."""

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def begin(self, what: str, path: str) -> BackupRun:
        """Start "create" or "verify"; raises Refused while another one is under way."""
        if self.running:
            raise Refused(
                Reply(450, "4.3.0", "a backup is under way already"),
                "wait for it: `twinpost backup list` shows how far it is",
            )
        run = BackupRun(what=what, path=path, running=True, began_at=self._wall())
        self.run = run
        self._task = asyncio.get_running_loop().create_task(self._follow(run))
        return run

    async def finish(self) -> BackupRun:
        """Wait for what is under way."""
        assert self._task is not None
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        """End what is under way; nothing of it stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self, run: BackupRun) -> BackupRun:
        began, told = self._clock(), Said()
        process = await asyncio.create_subprocess_exec(
            *self._command(run.what, run.path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment(),
            limit=_LINE_LIMIT,
        )
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                told = from_json(line, Said)
                self.run = msgspec.structs.replace(
                    run, stage=told.stage, done=told.done, total=told.total
                )
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if not told.ended:
            told = Said(error=f"the backup's process ended with {code}", hint="see log/control.log")
        done = self._ended(run, told, self._clock() - began)
        self.run = done
        if run.what == "create":
            self.last = done
        return done

    def _ended(self, run: BackupRun, told: Said, took: int) -> BackupRun:
        done = msgspec.structs.replace(
            run,
            running=False,
            took=took,
            ok=not told.error,
            error=told.error,
            hint=told.hint,
            name=told.name,
            size=told.size,
            messages=told.messages,
            damaged=told.damaged,
            removed=told.removed,
        )
        event = {"create": "backup_made", "verify": "backup_verified"}[run.what]
        if done.ok:
            self._emit(
                event,
                path=run.path,
                name=done.name,
                size=done.size,
                messages=done.messages,
                damaged=done.damaged,
                took=took,
            )
        else:
            self._emit("backup_failed", action=run.what, path=run.path, error=done.error)
        return done
