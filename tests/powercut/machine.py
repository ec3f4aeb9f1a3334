"""One machine: a spool on a simulated disk, from each boot to the power cut that ends it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

import apsw
import msgspec

from appliance.mail.address import domain_key
from appliance.mail.envelope import Envelope
from appliance.mail.work import AttemptId
from appliance.replica.frames import Frame
from appliance.replica.pair import Pair, Timing
from appliance.spool.bodies import Bodies, Body
from appliance.spool.engine import Engine
from appliance.spool.operations import Accept
from appliance.spool.schema import open_writer
from appliance.spool.sizes import Sizes
from appliance.spool.store import Store
from tests.support.disk import Disk
from tests.support.disk_faults import Faults
from tests.support.disk_files import DiskFiles
from tests.support.disk_vfs import DiskVFS, abandon

INLINE = 200
CHUNK = 1500
_encode = msgspec.msgpack.Encoder().encode


@dataclass(eq=False)
class Request:
    """The token of an operation: `then` hears the answer, `error` is a refusal."""

    then: Callable[[Any], None] = lambda value: None
    answered: bool = False
    error: Exception | None = None


@dataclass(frozen=True)
class Build:
    """What a spool is made of; a mutation changes one part of it."""

    store: type[Store] = Store
    engine: type[Engine] = Engine
    synchronous: str = "FULL"
    arm: Callable[[Faults], None] = lambda faults: None
    beside: bool = False
    """Checkpoints on a connection of their own, as the service makes them."""
    pages: int = 12
    """In the WAL, when a commit makes a checkpoint itself; 0: it never does."""
    sizes: Sizes = field(default_factory=Sizes)


USUAL = Build()


class Machine:
    """A node of a pair, or one alone."""

    def __init__(self, name: str, vfs: DiskVFS, rng: Random, build: Build, alone: bool) -> None:
        self.name = name
        self.id = name.encode().ljust(8, b"-")
        self.rng = rng
        self.build = build
        self.disk = Disk(name, Random(rng.random()))
        self.disk.mount.sync_directory("")
        self._vfs, self._alone = vfs, alone
        self.inbox: deque[Frame] = deque()
        self.committing = self.idle = False
        self.open: frozenset[AttemptId] = frozenset()
        """What this machine's delivery process works on."""
        self._began = 0
        self._connection: apsw.Connection | None = None
        self._checkpoints: apsw.Connection | None = None
        self._engine: Engine | None = None

    @property
    def up(self) -> bool:
        """True from the end of a boot to a crash."""
        return self._engine is not None

    @property
    def engine(self) -> Engine:
        """The engine of this start."""
        assert self._engine is not None
        return self._engine

    @property
    def db(self) -> apsw.Connection:
        """The writer's connection."""
        assert self._connection is not None
        return self._connection

    def clock(self, now: int) -> int:
        """The monotonic clock of this start."""
        return now - self._began

    def boot(self, now: int) -> None:
        """A new incarnation; raises PowerCut, OSError, apsw.Error."""
        self._began = now - self.rng.randrange(10**6)
        build, elapsed = self.build, self.clock(now)
        build.arm(self.disk.faults)
        self._connection = open_writer(self._path, vfs=self._vfs.name, exclusive=not build.beside)
        self._connection.pragma("synchronous", build.synchronous)
        # As the service does: SQLite does not say if it could not sync the names of new files.
        self.disk.mount.sync_directory("")
        self._connection.pragma("wal_autocheckpoint", 0 if build.beside else build.pages)
        if build.beside:
            self._checkpoints = apsw.Connection(self._path, vfs=self._vfs.name)
            self._checkpoints.pragma("user_version")
        store = build.store(self._connection, self.id, self.rng.randbytes(16), elapsed)
        self.files = DiskFiles(self.disk, "content")
        self.bodies = Bodies(self.files)
        self.bodies.sweep(store.holds)
        pair = Pair(Timing(), elapsed, alone=self._alone)
        self._engine = build.engine(store, self.bodies, pair, self.name, elapsed, build.sizes)
        self.committing = self.idle = False

    @property
    def _path(self) -> str:
        return f"/{self.disk.name}/spool.db"

    def commit(self, now: int) -> None:
        """The commit that a turn asked for, and a checkpoint beside it."""
        self.engine.commit()
        self.committing = False
        self.engine.committed(self.clock(now))
        if self._checkpoints is not None:
            self._checkpoints.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def off(self) -> None:
        """The power is gone, or the process ended: nothing is written any more."""
        self._engine = None
        self.inbox.clear()
        self.disk.mount.alive = False
        for connection in (self._checkpoints, self._connection):
            if connection is not None:
                abandon(connection)
        self._checkpoints = self._connection = None

    def upload(self, request: Request, envelope: Envelope, content: bytes) -> Upload:
        """A message that a client begins to send."""
        return Upload(self, request, envelope, content)


class Upload:
    """A message as the SMTP server takes it: a large body is a file, and streamed to the peer."""

    def __init__(
        self, machine: Machine, request: Request, envelope: Envelope, content: bytes
    ) -> None:
        self.queue_id = machine.engine.new_queue_id()
        self.envelope = _encode(envelope)
        self._domains = tuple([domain_key(recipient.address) for recipient in envelope.recipients])
        self.machine, self._request, self._content = machine, request, content
        self._body: Body | None = None

    @property
    def finished(self) -> bool:
        """True once every chunk is written."""
        written = self._body.size if self._body else 0
        return len(self._content) in (written, min(len(self._content), INLINE))

    def chunk(self) -> None:
        """Take the next part of a large body."""
        if self._body is None:
            self._body = self.machine.bodies.create(self.queue_id)
        offset = self._body.size
        data = self._content[offset : offset + CHUNK]
        self._body.write(data)
        self.machine.engine.body_chunk(self.queue_id, offset, data)

    def abort(self) -> None:
        """The client is gone."""
        if self._body is not None:
            self._body.discard()

    def operation(self) -> Accept:
        """All of it came."""
        return Accept(
            self._request,
            self.queue_id,
            self.envelope,
            self._domains,
            len(self._content),
            sha256(self._content).digest(),
            None if self._body else self._content,
            self._body,
        )
