"""A machine on which an update is made, whose power may go at any change on the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bundle import swap
from bundle.errors import Refused
from bundle.install import Prefix
from bundle.judge import Seen
from bundle.ledger import Phase, State
from bundle.update import Updater
from tests.unit.bundle.parts import TARGET

OLD, NEW = "1.2.3", "1.2.4"


class Crash(BaseException):
    """The power went."""


class Power:
    """Goes before the `at`-th change on the disk; counts them from `first` on."""

    def __init__(self) -> None:
        self.fresh()

    def fresh(self, at: int | None = None, first: str = "") -> None:
        self.at, self.first, self.seen = at, first, 0

    def change(self, what: str) -> None:
        if what.startswith(self.first):
            self.first = ""
        if self.first:
            return
        if self.seen == self.at:
            raise Crash(what)
        self.seen += 1


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def wall(self) -> int:
        return int(self.now)

    def running(self) -> float:
        return self.now

    def rest(self) -> None:
        self.now += 5


class World:
    """A machine with a node whose data says which release wrote it, and what is on its disk."""

    def __init__(self, folder: Path, power: Power) -> None:
        self.folder, self.power = folder, power
        self.prefix = Prefix(folder / "opt")
        self.data = folder / "data"
        self.trial = self.data / "trial"
        self.spool = self.data / "spool.db"
        self.runs = True
        self.configured = True
        self.paired = True
        self.active = False
        self.sick = False
        self.migrates = True
        self.loses = False
        self.unmigratable = False
        self.alone_with = 0
        self.events: list[str] = []
        self.left = 0

    def updater(self) -> Updater:
        return Updater(
            self.prefix, self, Clock(), lambda text: None, system=TARGET, step=self.power.change
        )

    def update(self, *, alone: bool = False) -> State:
        updater = self.updater()
        updater.request(str(self.folder / "new.bundle"), alone=alone, allow_downgrade=False, by="x")
        return self.run()

    def run(self) -> State:
        state = self.updater().run()
        assert state is not None
        return state

    def boot(self) -> None:
        """As the machine does it: settle, then the node, then the rest."""
        self.runs = False
        self.updater().settle()
        self.check_sides()
        self.start()

    @property
    def version(self) -> str:
        return str(self.prefix.version())

    def check_sides(self) -> None:
        """Release and data belong together."""
        kept = self.version if self.migrates else OLD
        assert self.spool.read_text() == f"data of {kept}"
        assert self.trial.exists() is (self.state.phase in (Phase.TRIAL, Phase.KEEPING))

    @property
    def state(self) -> State:
        found = self.updater().ledger.read()
        assert found is not None
        return found

    # What the updater asks of the node.

    def look(self) -> Seen | None:
        if not self.runs or (self.sick and self.version == NEW):
            return None
        mode = "paired" if self.paired else "solo"
        return Seen(self.version, True, 0, 0, mode, active=self.active)

    def starts(self) -> int:
        return 9 if self.sick and self.version == NEW else 0

    def leave(self) -> None:
        self.left += 1

    def stop(self) -> None:
        self.runs = False

    def start(self) -> None:
        self.updater().settle()  # as systemd does before it starts the node
        self.check_sides()
        self.runs = True

    def put(self, release: Path) -> None:
        assert not self.runs
        assert release.is_dir()

    def migrate(self, release: Path, copying: Callable[[Path], None]) -> None:
        assert not self.runs
        assert release.name == NEW
        if not self.migrates:
            return
        copying(self.spool)
        swap.beside(self.spool, "next").write_text(f"data of {NEW}")
        if self.unmigratable:
            raise Refused("the migration does not work", "")

    def digest(self, release: Path, *, upcoming: bool) -> tuple[int, str]:
        assert release.name == (NEW if upcoming else OLD)
        return 1, "less" if upcoming and self.loses else "all"

    def exposed(self, release: Path) -> int:
        assert not self.runs
        assert release.name == self.version
        return self.alone_with

    def event(self, **values: object) -> None:
        self.events.append(str(values["phase"]))
