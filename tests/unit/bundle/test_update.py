"""An update ends with the new release or the old one, each with its data, wherever it is cut."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle import files, keys, swap
from bundle.build import Signer
from bundle.errors import Refused
from bundle.install import Prefix, install
from bundle.judge import Seen
from bundle.ledger import Phase, State
from bundle.manifest import Version
from bundle.update import Updater
from tests.unit.bundle.parts import TARGET, installable, private_key

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


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases that lie side by side, the old one in use; and the bundle of the new one."""
    folder = tmp_path_factory.mktemp("machine")
    signer = Signer(private_key(folder))
    prefix, key = Prefix(folder / "opt"), keys.public(private_key(folder))
    for version in (NEW, OLD):
        bundle = installable(folder, signer, version)
        options = {"system": TARGET, "allow_downgrade": True, "tell": lambda text: None}
        install(bundle, prefix, key, **options)  # type: ignore[arg-type]
    bundle = folder / f"twinpost-{NEW}.bundle"
    bundle.rename(folder / "new.bundle")
    (folder / "data").mkdir()
    (folder / "data" / "spool.db").write_text(f"data of {OLD}")
    return folder


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Power:
    """Every change by `bundle.files` counts, too. The power is only played with: no fsync."""
    found = Power()
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("os.sync", lambda: None)
    for name in ("write", "replace", "point", "sync"):
        real = getattr(files, name)

        def changing(*arguments: object, real: Callable[..., None] = real, **more: object) -> None:
            found.change(real.__name__)
            real(*arguments, **more)

        monkeypatch.setattr(files, name, changing)
    return found


@pytest.fixture
def make(template: Path, tmp_path: Path, power: Power) -> Callable[[], World]:
    """A fresh machine."""

    def made() -> World:
        shutil.rmtree(tmp_path / "machine", ignore_errors=True)
        opt = tmp_path / "machine" / "opt"
        (opt / "releases").mkdir(parents=True)
        for version in (OLD, NEW):  # nothing changes them
            (opt / "releases" / version).symlink_to(template / "opt" / "releases" / version)
        (opt / "current").symlink_to(f"releases/{OLD}")
        shutil.copy(template / "opt" / "trusted.pem", opt)
        shutil.copytree(template / "data", tmp_path / "machine" / "data")
        shutil.copy(template / "new.bundle", tmp_path / "machine" / "new.bundle")
        power.fresh()
        return World(tmp_path / "machine", power)

    return made


@pytest.fixture
def world(make: Callable[[], World]) -> World:
    return make()


def test_the_new_release_runs_with_a_migrated_copy(world: World) -> None:
    state = world.update()
    assert state.phase is Phase.DONE
    assert (world.version, world.spool.read_text()) == (NEW, f"data of {NEW}")
    assert swap.beside(world.spool, "previous").read_text() == f"data of {OLD}"
    assert not world.trial.exists()
    assert world.runs
    assert world.events[-4:] == ["switching", "trial", "keeping", "done"]


def test_what_does_not_work_is_taken_back(world: World) -> None:
    world.sick = True
    state = world.update()
    assert state.phase is Phase.BACK
    assert "ends again and again" in state.error
    assert (world.version, world.spool.read_text()) == (OLD, f"data of {OLD}")
    assert swap.beside(world.spool, "failed").read_text() == f"data of {NEW}"
    assert not world.trial.exists()
    assert world.runs


@pytest.mark.parametrize("fault", ["unmigratable", "loses"])
def test_a_migration_that_fails_leaves_all_as_it_was(world: World, fault: str) -> None:
    setattr(world, fault, True)
    state = world.update()
    assert state.phase is Phase.FAILED
    assert state.error
    assert world.runs
    assert world.version == OLD
    assert [path.name for path in world.data.iterdir()] == ["spool.db"]


def test_a_node_without_its_peer_is_not_stopped_unasked(world: World) -> None:
    world.paired = False
    assert "not paired" in world.update().error
    assert world.runs
    assert world.update(alone=True).phase is Phase.DONE


def test_a_node_that_serves_leaves_its_addresses_first(world: World) -> None:
    world.active = True
    assert world.update().phase is Phase.DONE
    assert world.left == 1


def test_a_node_that_was_paired_must_be_again(world: World) -> None:
    start = world.start

    def cut_off() -> None:
        start()
        world.paired = world.version == OLD

    world.start = cut_off  # type: ignore[method-assign]
    state = world.update()
    assert state.phase is Phase.BACK
    assert "not paired again" in state.error
    assert world.paired


@pytest.mark.parametrize("phase", [Phase.SWITCHING, Phase.GOING_BACK])
def test_nobody_starts_the_node_in_the_middle_of_the_exchange(world: World, phase: Phase) -> None:
    ledger = world.updater().ledger
    ledger.write(State(phase, OLD, NEW, files=(str(world.spool),)))
    with ledger.locked(), pytest.raises(Refused, match="under way"):
        world.updater().settle()


def test_one_update_at_a_time(world: World) -> None:
    updater = world.updater()
    updater.request("x", alone=False, allow_downgrade=False, by="x")
    with pytest.raises(Refused, match="under way"):
        updater.request("y", alone=False, allow_downgrade=False, by="x")


def test_what_is_no_bundle_changes_nothing(world: World) -> None:
    (world.folder / "new.bundle").write_bytes(b"no bundle")
    assert world.update().phase is Phase.FAILED
    assert world.version == OLD
    assert world.runs


# Back by hand.


def test_back_by_hand_and_forth_again(world: World) -> None:
    world.update()
    world.updater().request_back("x")
    assert world.run().phase is Phase.DONE
    assert (world.version, world.spool.read_text()) == (OLD, f"data of {OLD}")
    world.updater().request_back("x")
    assert world.run().phase is Phase.DONE
    assert (world.version, world.spool.read_text()) == (NEW, f"data of {NEW}")


def test_back_by_hand_is_refused_where_mail_would_be_lost(world: World) -> None:
    world.update()
    world.paired = False
    with pytest.raises(Refused, match="would be lost"):
        world.updater().request_back("x")


def test_mail_that_came_until_the_node_stopped_is_not_lost_by_going_back(world: World) -> None:
    world.update()
    world.updater().request_back("x")
    world.alone_with = 1
    state = world.run()
    assert state.phase is Phase.FAILED
    assert "would be lost" in state.error
    assert (world.version, world.spool.read_text()) == (NEW, f"data of {NEW}")
    assert world.runs
    world.alone_with = 0
    world.updater().request_back("x")
    assert world.run().phase is Phase.DONE
    assert (world.version, world.spool.read_text()) == (OLD, f"data of {OLD}")


def test_back_from_the_boot_menu_needs_no_node_that_answers(world: World) -> None:
    """And is done by the release that made the update."""
    world.update()
    world.sick, world.runs = True, False
    world.updater().request_back_at_boot("x")
    assert world.prefix.updater.readlink().name == OLD
    assert world.run().phase is Phase.DONE
    assert (world.version, world.spool.read_text()) == (OLD, f"data of {OLD}")
    assert world.runs


def test_the_boot_menu_is_heeded_once(world: World) -> None:
    world.update()
    world.updater().request_back_at_boot("x")
    world.run()
    assert world.version == OLD
    world.updater().ledger.write(world.state.now(Phase.BACK))
    with pytest.raises(Refused, match="no update to take back"):
        world.updater().request_back_at_boot("x")


def test_without_migrated_data_a_node_alone_may_go_back(world: World) -> None:
    world.migrates = False
    world.update()
    world.paired = False
    world.updater().request_back("x")
    assert world.run().phase is Phase.DONE
    assert world.version == OLD


def test_back_by_hand_is_refused_when_the_old_data_is_gone(world: World) -> None:
    world.update()
    world.updater().finish()
    with pytest.raises(Refused, match="is not here any more"):
        world.updater().request_back("x")


# The power goes.


def prepared(world: World, scenario: str) -> Callable[[], State]:
    """What is done while the power may go, from here on."""
    world.sick = scenario == "sick"
    world.migrates = scenario != "no migration"
    if scenario == "back by hand":
        world.update()
        world.updater().request_back("x")
        return world.run
    return world.update


SCENARIOS = ["healthy", "sick", "no migration", "back by hand"]


@pytest.mark.parametrize(
    "scenario, how", [*((one, "power") for one in SCENARIOS), ("sick", "process")]
)
def test_a_crash_at_any_change_ends_old_or_new(
    make: Callable[[], World], power: Power, scenario: str, how: str
) -> None:
    """`power`: the machine goes, and boots. `process`: only the updater, which systemd restarts."""
    at = 0
    while True:
        world = make()
        act = prepared(world, scenario)
        power.fresh(at, "" if scenario in ("healthy", "back by hand") else "write stopping")
        try:
            act()
        except Crash:
            power.fresh()
        else:
            break
        if world.updater().ledger.read() is None:
            at += 1
            continue  # it was not even begun
        if how == "power":
            world.boot()
        state = world.run()
        assert state.phase.over
        world.check_sides()
        assert world.runs
        assert world.version in (OLD, NEW)
        assert not world.trial.exists()
        if scenario == "sick":
            assert world.version == OLD
        at += 1
    assert at > 15


def test_a_crash_while_it_recovers_from_a_crash(make: Callable[[], World], power: Power) -> None:
    """In the middle of the exchange, and at each change of what finishes it."""
    for first in range(100):
        for second in range(0, 12, 3):
            world = make()
            power.fresh(first, "write switching")
            try:
                world.update()
            except Crash:
                pass
            else:
                return
            power.fresh(second)
            try:
                world.boot()
            except Crash:
                power.fresh()
                world.boot()
            power.fresh()
            assert world.run().phase.over
            world.check_sides()
            assert world.runs
    pytest.fail("the update never came to its end")


def test_a_state_of_another_release_can_be_read() -> None:
    state = State(Phase.TRIAL, OLD, NEW)
    told = state.encode().replace(b'"old"', b'"new field": 1, "old"')
    assert State.decode(told) == state
    assert Version.parse(State.decode(told).new) == Version.parse(NEW)
