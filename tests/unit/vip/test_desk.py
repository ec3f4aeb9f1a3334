"""The failover socket as mail, control and all who follow use it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from msgspec import structs

from appliance.failover.advertisement import Status
from appliance.failover.router import State
from appliance.ipc.client import Client, connect
from appliance.ipc.failover import (
    CLIENT_CODEC,
    NOTHING_HELD,
    SERVER_CODEC,
    Call,
    Done,
    FailoverStatus,
    FailoverView,
    MaintenanceCall,
    PeerAnswer,
    PeerSwitchover,
    Report,
    Said,
    Standing,
    StatusCall,
    SwitchoverCall,
)
from appliance.ipc.server import Server
from appliance.ipc.standing import StandingWatch
from appliance.ipc.wire import CallFailed
from appliance.monitor.events import Event
from appliance.vip.binder import BinderFailed
from appliance.vip.desk import Desk
from appliance.vip.health import Check, Health, RouterHealth
from appliance.vip.keeper import Keeper
from tests.unit.vip.parts import ADDRESS, Side, SteadyClock, conversation, free_ports, path

WELL = Report(serving=True, why="", mode="paired", exposed=3, link=1, linked=True)
FULL = Report(serving=True, why="disk full", mode="paired", exposed=0, link=1, linked=True)
NEVER = 3600.0


def milliseconds() -> int:
    return time.monotonic_ns() // 1_000_000


class Process:
    """A failover process without a peer: what is said over its socket, and what it logs."""

    def __init__(self, folder: Path, mail_timeout: float) -> None:
        self.socket = folder / "failover.sock"
        self.log: list[tuple[Event, dict[str, object]]] = []
        ours, theirs = free_ports(2)
        self.peer = Side("b", [path(theirs, ours)], SteadyClock(), priority=254, interval=1)
        """Not started by itself."""
        self.side = Side("a", [path(ours, theirs)], SteadyClock(), priority=200, interval=1)
        self.health = Health({1: RouterHealth(200, "")}, {"gateway": 0})
        self.keeper = Keeper(
            self.side.driver,
            self.health,
            {"gateway": Check(1, 1)},
            mail_timeout,
            self._emit,
            milliseconds,
            lambda: self.desk.tell(),
        )
        self.server: Server[Said, Call]
        self.desk = Desk(self.keeper, self.side.talk.rejected, self._emit, milliseconds)

    def _emit(self, event: Event, queue_id: str = "", **values: object) -> None:
        self.log.append((event, values))

    def events(self, event: Event) -> list[dict[str, object]]:
        return [values for name, values in self.log if name is event]


class Mail:
    """Reports, and waits until the process stands as wanted."""

    def __init__(self, process: Process) -> None:
        self._changed = asyncio.Event()
        self.asked: list[PeerSwitchover] = []
        self.answer: PeerAnswer | None = None
        self.watch = StandingWatch(process.socket, self._became, self._answers)

    def _became(self, standing: Standing) -> None:
        self._changed.set()

    def _answers(self, wanted: PeerSwitchover) -> None:
        self.asked.append(wanted)
        if self.answer is not None:
            self.watch.tell(structs.replace(self.answer, number=wanted.number))

    async def sees(self, wanted: Callable[[Standing], bool], report: Report | None = None) -> None:
        """Report all the while, as the mail process does."""
        async with asyncio.timeout(60):
            while not wanted(self.watch.standing):
                if report is not None:
                    self.watch.tell(report)
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.01)

    async def holds(self) -> None:
        await self.sees(lambda one: one.held == (str(ADDRESS),), WELL)


@asynccontextmanager
async def running(
    folder: Path, mail_timeout: float = NEVER
) -> AsyncIterator[tuple[Process, Mail, Client[Call, Said]]]:
    process = Process(folder, mail_timeout)
    process.server = Server(process.socket, SERVER_CODEC, process.desk)
    await process.server.start()
    process.keeper.start()
    mail = Mail(process)
    following = asyncio.create_task(mail.watch.run())
    client = await connect(process.socket, CLIENT_CODEC)
    try:
        yield process, mail, client
    finally:
        following.cancel()
        client.close()
        await process.keeper.stop()
        process.server.close()


async def view(client: Client[Call, Said]) -> FailoverView:
    return (await client.request(StatusCall(), FailoverStatus)).view


def not_held(standing: Standing) -> bool:
    return bool(standing.states) and not standing.held


async def test_no_address_before_mail_serves(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, client):
        await mail.sees(lambda one: one.states == ((1, "Backup"),))
        assert (await view(client)).routers[0].why == "the mail process is not there"
        await mail.holds()
        found = await view(client)
        assert (found.routers[0].state, found.routers[0].held) == ("Active", True)
        assert (found.routers[0].priority, found.routers[0].configured) == (200, 200)
        assert process.side.node.status.exposed == 3
        (startup, taken) = process.events(Event.TRANSITION)
        assert (startup["after"], taken["after"]) == ("Backup", "Active")


async def test_the_end_of_mail_gives_the_address_up(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, _):
        other = await connect(process.socket, CLIENT_CODEC)
        other.push(WELL)
        await mail.sees(lambda one: bool(one.held))
        other.close()
        await mail.sees(not_held)
        assert process.events(Event.TRANSITION)[-1]["why"] == "the mail process is not there"


async def test_so_does_its_silence(tmp_path: Path) -> None:
    async with running(tmp_path, mail_timeout=0.5) as (process, mail, _):
        await mail.holds()
        await mail.sees(not_held)
        assert process.events(Event.TRANSITION)[-1]["why"] == "the mail process is silent"


async def test_who_only_follows_may_come_and_go(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, client):
        await mail.holds()
        client.close()
        again = await connect(process.socket, CLIENT_CODEC)
        assert (await view(again)).routers[0].held
        again.close()


async def test_a_node_without_a_ready_peer_keeps_what_it_has(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, client):
        await mail.holds()
        for call in (SwitchoverCall(None), SwitchoverCall(1), MaintenanceCall(on=True)):
            with pytest.raises(CallFailed) as caught:
                await client.request(call, Done)
            assert "not heard" in caught.value.failure.text
            assert "--force" in caught.value.failure.hint
        # 452 is better than nothing.
        await mail.sees(lambda one: process.side.node.routers[1].priority == 1, FULL)
        assert process.keeper.standing.held


async def test_a_switchover_that_nobody_takes_is_taken_back(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, client):
        await mail.holds()
        with pytest.raises(CallFailed) as caught:
            await client.request(SwitchoverCall(None, force=True), Done)
        assert "did not take" in caught.value.failure.text
        await mail.holds()
        states = [one["after"] for one in process.events(Event.TRANSITION)]
        assert states == ["Backup", "Active", "Backup", "Active"]


@pytest.mark.parametrize(
    "call, told",
    [
        (SwitchoverCall(7), "no virtual router 7"),
        (SwitchoverCall(None), "does not have the addresses"),
        (SwitchoverCall(None, here=True), "the other node does not have"),
        (WELL, "pushed"),
    ],
)
async def test_what_cannot_be_meant(call: Call, told: str, tmp_path: Path) -> None:
    async with running(tmp_path) as (_, _, client):
        with pytest.raises(CallFailed) as caught:
            await client.request(call, Done)
        assert told in caught.value.failure.text


@asynccontextmanager
async def active_peer(process: Process) -> AsyncIterator[None]:
    """The other node is Active."""
    process.peer.start()
    try:
        await process.peer.follower.state(State.ACTIVE)
        yield
    finally:
        await process.peer.driver.stop()


async def test_addresses_are_fetched_by_way_of_the_mail_process(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, client), active_peer(process):
        await mail.sees(lambda _: 1 in process.side.driver.peer_active)
        await mail.sees(lambda _: process.health.mail is not None, WELL)
        assert (await view(client)).routers[0].peer_active
        mail.answer = PeerAnswer(0, "", "deliveries are under way", "wait")
        with pytest.raises(CallFailed) as caught:
            await client.request(SwitchoverCall(1, here=True), Done)
        assert "deliveries are under way" in caught.value.failure.text
        assert caught.value.failure.hint == "wait"
        mail.answer = PeerAnswer(0, "moved", "", "")
        done = await client.request(SwitchoverCall(None, force=True, here=True), Done)
        assert "This node is Active" in done.text
        assert [(one.vrid, one.force) for one in mail.asked] == [(1, False), (None, True)]
        assert mail.asked[0].number != mail.asked[1].number


async def test_a_mail_process_that_ends_answers_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, client), active_peer(process):
        asked = asyncio.Event()

        def pushed(said: Said) -> None:
            if isinstance(said, PeerSwitchover):
                asked.set()

        other = await connect(process.socket, CLIENT_CODEC, on_push=pushed)
        other.push(WELL)
        await mail.sees(lambda _: 1 in process.side.driver.peer_active)
        await mail.sees(lambda _: process.health.mail is not None)
        asking = asyncio.create_task(client.request(SwitchoverCall(None, here=True), Done))
        await asked.wait()
        other.close()
        with pytest.raises(CallFailed) as caught:
            await asking
        assert "does not answer" in caught.value.failure.text


async def test_maintenance_and_back(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, client):
        await mail.holds()
        await client.request(MaintenanceCall(on=True, force=True, ask=True), Done)
        assert process.keeper.standing.held  # it was only asked
        await client.request(MaintenanceCall(on=True, force=True), Done)
        await mail.sees(lambda one: one.aside and not one.held)
        assert (await view(client)).maintenance
        await client.request(MaintenanceCall(on=False), Done)
        await mail.holds()
        assert [one["on"] for one in process.events(Event.MAINTENANCE)] == [True, False]


async def test_addresses_that_cannot_be_had_are_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, client):
        process.side.binder.fails = BinderFailed("taken", "by whom?")
        mail.watch.tell(WELL)
        await mail.sees(lambda _: bool(process.events(Event.ADDRESS_FAILED)), WELL)
        assert process.events(Event.ADDRESS_FAILED)[0]["hint"] == "by whom?"
        assert (await view(client)).routers[0].why == "taken"
        process.side.binder.fails = None
        await mail.holds()


@pytest.mark.parametrize(
    "call", [SwitchoverCall(None, force=True), MaintenanceCall(on=True, force=True)]
)
async def test_clients_are_told_before_an_address_goes(call: Call, tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, client):
        await mail.holds()
        moving = asyncio.create_task(client.request(call, Done))
        await mail.sees(lambda one: one.leaving == one.held == (str(ADDRESS),))
        assert "release" not in process.side.binder.done
        await mail.sees(not_held)
        assert not mail.watch.standing.leaving
        with suppress(CallFailed):  # there is nobody to take it
            await moving


async def test_also_before_the_process_ends(tmp_path: Path) -> None:
    seen = list[Said]()
    async with running(tmp_path) as (process, mail, _):
        await mail.holds()
        other = await connect(process.socket, CLIENT_CODEC, on_push=seen.append)
    other.close()
    told = [one.leaving for one in seen if isinstance(one, Standing)]
    assert (str(ADDRESS),) in told
    assert told[-1] == ()
    assert process.side.binder.done[-2:] == ["release", "close"]


async def test_a_check_that_fails_gives_the_address_up(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, _):
        await mail.holds()
        process.keeper.check("gateway", False)
        await mail.sees(not_held)
        process.keeper.check("gateway", True)
        await mail.holds()
        assert [one["passing"] for one in process.events(Event.CHECK)] == [False, True]


async def test_a_lost_carrier_stands_aside(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, _):
        process.keeper.carrier("eth0", False)
        process.keeper.carrier("eth0", False)
        await mail.sees(lambda one: one.aside)
        process.keeper.carrier("eth0", True)
        await mail.sees(lambda one: not one.aside)
        assert [one["up"] for one in process.events(Event.CARRIER)] == [False, True]


async def test_a_foreign_holder_is_told_once_a_minute_and_shown(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, _, client):
        process.keeper.foreign(ADDRESS.address, "02:00:00:00:00:01")  # it was just taken
        assert not process.events(Event.ADDRESS_FOREIGN)
        process.keeper.since[1] -= 10_000
        for _ in range(3):
            process.keeper.foreign(ADDRESS.address, "02:00:00:00:00:01")
        assert len(process.events(Event.ADDRESS_FOREIGN)) == 1
        (one,) = (await view(client)).foreign
        assert (one.address, one.hardware) == (str(ADDRESS), "02:00:00:00:00:01")


async def test_forgeries_are_counted_in_the_status(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, _, client):
        forged = conversation("b").packet(1, Status())[:-1] + b"x"
        process.side.node.receive(0, 1, forged)
        assert (await view(client)).rejected["forged"] == 1


async def test_without_a_failover_process_nothing_is_held(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, mail, _):
        await mail.holds()
        process.server.close()
        await mail.sees(lambda one: one == NOTHING_HELD)
