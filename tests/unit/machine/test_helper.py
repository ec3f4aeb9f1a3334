"""The root helper does what it is asked by whom it trusts, one change at a time, no more."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from appliance.control.helper import Helper as Client
from appliance.control.http import NotDone
from appliance.ipc.machine import Done, GetMachine, PowerOff, Progress, Reboot, Request
from appliance.machine.command import run
from appliance.machine.helper import Helper, HelperError, Operation, Tell
from appliance.machine.power import Power
from appliance.monitor.events import Event
from tests.unit.machine.talk import Commands, Events, helping


class Wait(Request, frozen=True):
    """Waits until the test lets it go on."""


async def test_what_is_asked_is_done_and_told(tmp_path: Path) -> None:
    commands, events = Commands(), Events()
    async with helping(tmp_path, Power(commands).operations(), events) as client:
        assert (await client.ask(Reboot(), Done, "anna")).text == "the machine is restarted"
    assert commands.run == [("systemctl", "--no-block", "reboot")]
    assert events == [(Event.MACHINE_CHANGED, {"request": "Reboot", "by": "anna"})]


async def test_strangers_are_turned_away(tmp_path: Path) -> None:
    commands, events = Commands(), Events()
    strangers = {os.getuid() + 1}
    async with helping(tmp_path, Power(commands).operations(), events, strangers) as client:
        with pytest.raises(NotDone, match="may not ask"):
            await client.ask(Reboot(), Done, "anna")
    assert commands.run == []
    assert events == [(Event.MACHINE_CALLER_REFUSED, {"uid": os.getuid()})]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"[]\n",
        b'{"by":"x","request":{"do":"Reboot","force":true}}\n',
        b'{"by":"x","request":{"do":"RunThis"}}\n',
        b'{"by":"x","request":"Reboot"}\n',
        b'{"request":{"do":"Reboot"}}\n',
        b'{"by":"\xff","request":{"do":"Reboot"}}\n',
    ],
)
async def test_what_is_no_request_does_nothing(tmp_path: Path, line: bytes) -> None:
    commands = Commands()
    async with helping(tmp_path, Power(commands).operations()):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "helper.sock")
        writer.write(line)
        answer = msgspec.json.decode(await reader.read())
        writer.close()
        await writer.wait_closed()
    assert answer["type"] == "failed"
    assert commands.run == []


async def test_a_request_of_no_end_is_cut_off(tmp_path: Path) -> None:
    async with helping(tmp_path, Power(Commands()).operations()):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "helper.sock")
        writer.write(b"x" * (8 << 20))
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_progress_and_one_change_at_a_time(tmp_path: Path) -> None:
    goes_on = asyncio.Event()

    async def wait(request: Wait, tell: Tell) -> Done:
        tell(Progress("half", 1, 2))
        await goes_on.wait()
        return Done("waited")

    told = asyncio.Queue[Progress]()
    operations = (Operation(Wait, wait, 60, changes=True), *Power(Commands()).operations())
    async with helping(tmp_path, operations) as client:
        first = asyncio.create_task(client.ask(Wait(), Done, "anna", told.put_nowait))
        assert await told.get() == Progress("half", 1, 2)
        with pytest.raises(NotDone, match="Wait is under way"):
            await client.ask(PowerOff(), Done, "bert")
        goes_on.set()
        assert await first == Done("waited")
        await client.ask(PowerOff(), Done, "bert")


async def test_a_change_goes_on_without_who_asked_for_it(tmp_path: Path) -> None:
    begun, goes_on, events = asyncio.Event(), asyncio.Event(), Events()

    async def wait(request: Wait, tell: Tell) -> Done:
        begun.set()
        await goes_on.wait()
        return Done("waited")

    async with helping(tmp_path, [Operation(Wait, wait, 60, changes=True)], events) as client:
        asked = asyncio.create_task(client.ask(Wait(), Done, "anna"))
        await begun.wait()
        asked.cancel()
        await asyncio.wait([asked])
        goes_on.set()
    assert events == [(Event.MACHINE_CHANGED, {"request": "Wait", "by": "anna"})]


async def test_the_socket_that_it_was_given_stays(tmp_path: Path) -> None:
    """Python 3.13 removes the files of sockets that it serves; systemd makes this one only once."""
    path = tmp_path / "helper.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        operations = Power(Commands()).operations()
        helper = Helper(operations, {os.getuid()}, lambda *event, **values: None)
        serving = asyncio.create_task(helper.serve(listener))
        await Client(path).ask(Reboot(), Done, "anna")
        serving.cancel()
        await asyncio.wait([serving])
    assert path.is_socket()


async def test_what_takes_too_long_and_what_fails(tmp_path: Path) -> None:
    async def wait(request: Wait, tell: Tell) -> Done:
        await asyncio.Event().wait()
        raise AssertionError

    async def fail(request: GetMachine, tell: Tell) -> Done:
        raise HelperError("no", "do this")

    operations = (Operation(Wait, wait, 0, changes=True), Operation(GetMachine, fail, 9, False))
    async with helping(tmp_path, operations) as client:
        with pytest.raises(NotDone, match="did not end within 0 s"):
            await client.ask(Wait(), Done, "anna")
        with pytest.raises(NotDone, match="no") as failed:
            await client.ask(GetMachine(), Done, "anna")
    assert failed.value.hint == "do this"


async def test_without_a_helper_nobody_manages_the_machine(tmp_path: Path) -> None:
    client = Client(tmp_path / "helper.sock")
    assert not client.there
    with pytest.raises(NotDone, match="does not manage its machine"):
        await client.ask(Reboot(), Done, "anna")


async def test_programs_fail_with_their_last_words_and_end_with_who_waits() -> None:
    assert await run("cat", given="x") == "x"
    with pytest.raises(HelperError, match="false: exit code 1"):
        await run("false")
    with pytest.raises(HelperError, match=r"^cat: /nowhere: No such file"):
        await run("cat", "/nowhere")
    with pytest.raises(HelperError, match="no twinpost-nothing"):
        await run("twinpost-nothing")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await run("sleep", "1000")
