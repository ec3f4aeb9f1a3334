"""A pair is updated one node after the other, and never while anything is not well."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import msgspec
import pytest

from appliance.control.http import BadRequest, NotDone
from appliance.control.received import Received
from appliance.control.roll import Roll
from appliance.control.roll_steps import (
    Facts,
    Finished,
    Send,
    Start,
    Stop,
    Wait,
    first_of,
    next_step,
)
from appliance.control.schema_updates import BundlePart, RollView, Updates, UpdateView
from appliance.mail.views import Unavailable

OLD, NEW, DIGEST = "1.0.0", "1.0.1", "d" * 64
ROLL = RollView(phase="running", release=NEW, bundle=DIGEST, first="b")


def update(phase: str, began: int = 7, error: str = "") -> UpdateView:
    return UpdateView(
        phase=phase,
        over=phase in ("done", "failed", "back"),
        old=OLD,
        new=NEW,
        by="x",
        began=began,
        changed=began,
        text=phase,
        error=error,
        hint="",
    )


def node(
    name: str,
    release: str = OLD,
    *,
    mode: str = "paired",
    whole: bool = True,
    active: bool = False,
    at: UpdateView | None = None,
    received: str = DIGEST,
) -> Facts:
    updates = Updates(
        node=name, release=release, managed=True, update=at, roll=None, received=received
    )
    return Facts(updates, mode, whole, active)


def test_the_backup_goes_first() -> None:
    assert first_of(node("a", active=True), node("b")) == "b"
    assert first_of(node("a"), node("b", active=True)) == "a"
    assert first_of(node("a", active=True), node("b", active=True)) == "b"


def test_one_after_the_other() -> None:
    assert next_step(ROLL, node("a"), node("b", received="")) == Send()
    assert next_step(ROLL, node("a"), node("b")) == Start("b")
    under_way = node("b", at=update("migrating"))
    assert next_step(ROLL, node("a"), under_way) == Wait("b: migrating")
    on_trial = node("b", NEW, at=update("trial"))
    assert next_step(ROLL, node("a"), on_trial) == Wait("b: trial")
    done = node("b", NEW, at=update("done"))
    assert next_step(ROLL, node("a"), done) == Start("a")
    assert next_step(ROLL, node("a", NEW, at=update("trial")), done) == Wait("a: trial")
    assert next_step(ROLL, node("a", NEW, at=update("done")), done) == Finished()


@pytest.mark.parametrize("mode, whole", [("catching up", True), ("solo", True), ("paired", False)])
def test_the_second_waits_until_all_is_well(mode: str, whole: bool) -> None:
    done = node("b", NEW, at=update("done"), mode=mode, whole=whole)
    assert isinstance(next_step(ROLL, node("a"), done), Wait)
    ill = node("a", mode=mode, whole=whole)
    assert isinstance(next_step(ROLL, ill, node("b", NEW, at=update("done"))), Wait)


def test_nothing_begins_without_the_other_node() -> None:
    assert isinstance(next_step(ROLL, node("a"), None), Wait)


@pytest.mark.parametrize("phase", ["failed", "back"])
def test_a_node_that_went_back_stops_it(phase: str) -> None:
    started = msgspec.structs.replace(ROLL, started={"b": 7})
    found = next_step(started, node("a"), node("b", at=update(phase, error="sick")))
    assert found == Stop("b: sick", "")


def test_with_another_bundle_nothing_begins() -> None:
    assert isinstance(next_step(ROLL, node("a", received="e" * 64), node("b")), Stop)


def test_an_earlier_failure_does_not_stop_a_new_try() -> None:
    assert next_step(ROLL, node("a"), node("b", at=update("back", began=3))) == Start("b")


class Pair:
    """Two nodes that do what they are asked at once."""

    def __init__(self) -> None:
        self.nodes = {"own": node("a", active=True), "peer": node("b", received="")}
        """As they say they are."""
        self.asked: list[str] = []
        self.sent = b""
        self.away = False
        self.outcome = "done"

    def asks(self, which: str):  # type: ignore[no-untyped-def]
        async def ask(method: str, path: str, body: bytes) -> bytes:
            if which == "peer" and self.away:
                raise Unavailable("away")
            known = self.nodes[which]
            name = path.removeprefix("/v1/machine/updates/")
            if path == "/v1/status":
                return _status(known)
            if method == "GET":
                return msgspec.json.encode(known.updates)
            if name == "part":
                part = msgspec.json.decode(body, type=BundlePart)
                assert len(self.sent) == part.offset
                self.sent += part.data
                if len(self.sent) == part.size:
                    self.has(which, received=part.digest)
                return b"{}"
            self.asked.append(f"{name} {which}")
            if self.outcome == "refused":
                raise NotDone("this node does not manage its machine", "")
            began = update(self.outcome, error="sick" if self.outcome == "back" else "")
            release = NEW if self.outcome == "done" else OLD
            self.has(which, update=began, release=release)
            return msgspec.json.encode(began)

        return ask

    def has(self, which: str, **values: object) -> None:
        known = self.nodes[which]
        updates = msgspec.structs.replace(known.updates, **values)
        self.nodes[which] = Facts(updates, known.mode, known.whole, known.active)


def _status(facts: Facts) -> bytes:
    """As much of it as every release will have."""
    return msgspec.json.encode(
        {
            "mode": facts.mode,
            "processes": [{"name": "mail", "state": "ready" if facts.whole else "down"}],
            "virtual": [{"address": "192.0.2.1", "here": facts.active}],
        }
    )


@pytest.fixture
def received(tmp_path: Path) -> Received:
    found = Received(tmp_path / "incoming")
    content = bytes(range(256)) * 5000
    digest = hashlib.sha256(content).hexdigest()
    for start in range(0, len(content), 500_000):
        data = content[start : start + 500_000]
        part = BundlePart(digest=digest, size=len(content), offset=start, data=data)
        assert found.take(part) is (start + len(data) == len(content))
    return found


async def rolled(pair: Pair, received: Received, monkeypatch: pytest.MonkeyPatch) -> Roll:
    """A roll that runs until it has ended."""
    monkeypatch.setattr("appliance.control.roll._EVERY", 0.0)
    ended = asyncio.Event()
    note = received.path.with_name("roll.json")

    def emit(event: object, queue_id: str = "", **values: object) -> None:
        if values["phase"] != "running":
            ended.set()

    roll = Roll(note, received, pair.asks("own"), pair.asks("peer"), lambda: 5000, emit)
    pair.has("own", received=received.digest)
    roll.begin(NEW, received.digest, "root")
    working = asyncio.create_task(roll.run())
    await ended.wait()
    working.cancel()
    await asyncio.wait([working])
    again = Roll(note, received, pair.asks("own"), pair.asks("peer"), lambda: 5000, emit)
    assert again.view == roll.view
    return roll


async def test_both_are_updated_the_backup_first(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair()
    roll = await rolled(pair, received, monkeypatch)
    assert roll.view is not None
    assert roll.view.phase == "done"
    assert roll.view.nodes == {"a": NEW, "b": NEW}
    assert pair.asked == ["start peer", "start own"]
    assert pair.sent == received.path.read_bytes()


async def test_it_stops_at_the_first_that_goes_back(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair()
    pair.outcome = "back"
    roll = await rolled(pair, received, monkeypatch)
    assert roll.view is not None
    assert (roll.view.phase, roll.view.error) == ("stopped", "b: sick")
    assert pair.asked == ["start peer"]
    assert pair.nodes["own"].updates.release == OLD


async def test_it_stops_where_a_node_refuses(
    received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair()
    pair.outcome = "refused"
    roll = await rolled(pair, received, monkeypatch)
    assert roll.view is not None
    assert "does not manage its machine" in roll.view.error
    assert pair.asked == ["start peer"]


async def test_one_at_a_time_and_it_can_be_stopped(received: Received) -> None:
    pair = Pair()
    pair.away = True
    note = received.path.with_name("roll.json")
    roll = Roll(
        note, received, pair.asks("own"), pair.asks("peer"), lambda: 0, lambda *_, **__: None
    )
    roll.begin(NEW, received.digest, "root")
    with pytest.raises(NotDone, match="is being updated"):
        roll.begin(NEW, received.digest, "root")
    assert roll.stop().phase == "stopped"


# What is received.


def test_a_bundle_that_came_otherwise_is_no_bundle(tmp_path: Path) -> None:
    found = Received(tmp_path / "incoming")
    with pytest.raises(BadRequest, match="another than was sent"):
        found.take(BundlePart(digest="0" * 64, size=3, offset=0, data=b"abc"))
    assert found.digest == ""


@pytest.mark.parametrize("offset", [1, 5])
def test_parts_come_in_order(tmp_path: Path, offset: int) -> None:
    found = Received(tmp_path / "incoming")
    found.take(BundlePart(digest="0" * 64, size=9, offset=0, data=b"abc"))
    with pytest.raises(BadRequest, match="out of order"):
        found.take(BundlePart(digest="0" * 64, size=9, offset=offset, data=b"def"))


def test_what_is_no_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no bundle has"):
        Received(tmp_path / "x").take(BundlePart(digest="0", size=1 << 40, offset=0, data=b""))
