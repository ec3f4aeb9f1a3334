"""One real engine on a simulated disk: it acts when it is told to."""

from __future__ import annotations

from random import Random

import apsw

from appliance.replica.frames import Frame, decode, encode
from appliance.replica.pair import Mode, Pair, Timing
from appliance.spool.bodies import Bodies
from appliance.spool.engine import Engine
from appliance.spool.messages import Entry, key_of
from appliance.spool.operations import (
    Done,
    Effect,
    Failed,
    Happened,
    ResetLink,
    Revoke,
    Send,
    SiteChanged,
)
from appliance.spool.schema import open_writer
from appliance.spool.sizes import Sizes
from appliance.spool.store import Store
from tests.support.disk import Disk, Image
from tests.support.disk_files import DiskFiles
from tests.support.disk_vfs import DiskVFS, abandon


class Station:
    """One node: a disk, and an engine while it is up."""

    def __init__(self, name: str, vfs: DiskVFS, seed: int, sizes: Sizes, timing: Timing) -> None:
        self.name = name
        self.node = name.encode().ljust(8, b"-")
        self.rng = Random(f"{name}{seed}")
        self.disk = Disk(name, self.rng)
        self.disk.mount.sync_directory("")
        self.sizes, self.timing = sizes, timing
        self.answers: dict[object, object] = {}
        self.modes: dict[object, Mode] = {}
        """The mode in which each answer was given."""
        self.refusals: dict[object, Exception] = {}
        self.events: list[str] = []
        self.resets: list[str] = []
        self.revoked: set[object] = set()
        self.changes: list[str] = []
        """Tables of the site that changed."""
        self.outbox: list[Frame] = []
        self._vfs = vfs
        self._connection: apsw.Connection | None = None
        self._engine: Engine | None = None
        vfs.attach(disk=self.disk)

    @property
    def engine(self) -> Engine:
        assert self._engine is not None
        return self._engine

    @property
    def up(self) -> bool:
        return self._engine is not None

    @property
    def store(self) -> Store:
        return self.engine.store

    def start(
        self,
        now: int,
        *,
        alone: bool = False,
        incarnation: bytes | None = None,
        checkpoint: int = 20,
    ) -> None:
        """A new start of the spool; `checkpoint`: pages in the WAL before it is checkpointed."""
        self._connection = open_writer(
            f"/{self.disk.name}/spool.db", vfs=self._vfs.name, exclusive=True
        )
        self._connection.pragma("wal_autocheckpoint", checkpoint)
        identity = incarnation or self.rng.randbytes(16)
        store = Store(self._connection, self.node, identity, now)
        self.bodies = Bodies(DiskFiles(self.disk, "content"))
        pair = Pair(self.timing, now, alone=alone)
        self._engine = Engine(store, self.bodies, pair, self.name, now, self.sizes)
        self.bodies.sweep(store.holds)

    def stop(self) -> None:
        """The process is gone: whatever closing would write is refused."""
        self._engine = None
        self.outbox.clear()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self.disk.mount.alive = False
            abandon(connection)

    def kill(self) -> None:
        """kill -9: the page cache stays."""
        self.stop()
        self.disk.kill()

    def restore(self, image: Image) -> None:
        """The disk is what it was once."""
        self.stop()
        self.disk.restore(image)

    def power_cut(self) -> None:
        """What was not synced is gone, or torn."""
        self.stop()
        self.disk.faults.clear()
        self.disk.power_cut()

    def entry(self, queue_id: str) -> Entry:
        """A message; raises LookupError."""
        store = self.store
        return store.messages.by_key(key_of(queue_id, store.journal))

    def content(self, queue_id: str) -> bytes:
        inline = self.store.content(queue_id)
        return self.bodies.read(queue_id, 0, 1 << 30) if inline is None else inline

    def heed(self) -> bool:
        """Sort what the engine wants done; True if there was something."""
        effects, self.engine.effects = self.engine.effects, []
        for effect in effects:
            self._do(effect)
        return bool(effects)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send():
                self.outbox.append(decode(encode(effect.frame)))
            case Done():
                self.answers[effect.token] = effect.value
                self.modes[effect.token] = self.engine.pair.mode
            case Failed():
                self.refusals[effect.token] = effect.error
            case ResetLink():
                self.resets.append(effect.reason)
            case Revoke():
                self.revoked |= effect.attempts
            case Happened():
                self.events.append(effect.event)
            case SiteChanged():
                self.changes += sorted(effect.tables)
