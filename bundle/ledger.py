"""How far an update of this node is: one small file, always replaced as a whole."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from bundle import files
from bundle.errors import Refused


class Phase(StrEnum):
    """Where an update stands.

        requested ─ verifying ─ installing ─ stopping ─ migrating ─┐        nothing has changed
                                                        ┌──────────┘
        failed ◀── whatever goes wrong so far           ▼
                                   switching ─ trial ─ keeping ─ done       the new release
                                                 └─ going back ─ back       the old release

    `switching`, `keeping` and `going back` are decisions: once they are written down they are
    carried out, by whoever comes next.
    """

    REQUESTED = "requested"
    VERIFYING = "verifying"
    INSTALLING = "installing"
    STOPPING = "stopping"
    MIGRATING = "migrating"
    SWITCHING = "switching"
    TRIAL = "trial"
    KEEPING = "keeping"
    GOING_BACK = "going back"
    DONE = "done"
    FAILED = "failed"
    BACK = "back"

    @property
    def over(self) -> bool:
        """Nothing is under way."""
        return self in (Phase.DONE, Phase.FAILED, Phase.BACK)

    @property
    def harmless(self) -> bool:
        """Under way, and nothing has been changed yet."""
        return self in _HARMLESS


_HARMLESS = frozenset(
    (Phase.REQUESTED, Phase.VERIFYING, Phase.INSTALLING, Phase.STOPPING, Phase.MIGRATING)
)


@dataclass(frozen=True)
class State:
    """One update. Releases are versions, "" while not known; times are wall-clock seconds.

    source: the bundle's file, "" when going back by hand. files: databases that are replaced.
    paired: the node was paired, and must be again. alone: it may be without its peer. key: who
    signed the bundle, in PEM; test: with a key for tests.
    """

    phase: Phase
    old: str
    new: str
    source: str = ""
    files: tuple[str, ...] = ()
    paired: bool = False
    alone: bool = False
    allow_downgrade: bool = False
    by: str = ""
    key: str = ""
    test: bool = False
    began: int = 0
    changed: int = 0
    text: str = ""
    error: str = ""
    hint: str = ""

    @property
    def before(self) -> str:
        """The release to go back to, "" if there is none."""
        if self.phase is Phase.DONE:
            return self.old
        # Going back came to nothing: it can be begun again.
        return self.new if self.phase is Phase.FAILED and not self.source else ""

    @property
    def in_use(self) -> str:
        """The release that runs, once it is over."""
        return self.new if self.phase is Phase.DONE else self.old

    def now(self, phase: Phase, **values: Any) -> State:
        """The same update, further on."""
        return dataclasses.replace(self, phase=phase, **values)

    def encode(self) -> bytes:
        """As it is written down."""
        return json.dumps(dataclasses.asdict(self), indent=1).encode("utf-8") + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> State:
        """From what `encode` made, by whatever release; raises Refused."""
        try:
            found = json.loads(data)
            known = {field.name for field in dataclasses.fields(cls)}
            values = {name: value for name, value in found.items() if name in known}
            values["phase"] = Phase(values["phase"])
            values["files"] = tuple(values.get("files", ()))
            return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refused(f"the state of the update cannot be read: {error}", "") from None


class UnderWay(Refused):
    """Somebody works on an update at this moment."""

    def __init__(self) -> None:
        super().__init__("an update is under way", "see `twinpost update status`")


class Ledger:
    """The state in `folder`, and the lock of whoever works on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle = folder / "bundle"
        self._file = folder / "state.json"

    def read(self) -> State | None:
        """The latest update; None if there was none. Raises Refused, OSError."""
        try:
            return State.decode(self._file.read_bytes())
        except FileNotFoundError:
            return None

    def write(self, state: State) -> None:
        """Durable on return. Everybody may read it: it says nothing that is secret."""
        self.folder.mkdir(mode=0o755, exist_ok=True)
        files.replace(self._file, state.encode())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One at a time; raises UnderWay."""
        self.folder.mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise UnderWay from None
        try:
            yield
        finally:
            os.close(descriptor)
