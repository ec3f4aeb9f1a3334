"""`twinpost send` against a server that does as a script says."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from appliance.cli.main import run
from appliance.cli.sender import envelope_of
from tests.support.sink import Drop, Script, Sink

Capture = pytest.CaptureFixture[str]
QUEUED = Script({"dot": ["250 2.0.0 Ok: queued as 0123456789ABCD"] * 9})


@pytest.fixture
def message(tmp_path: Path) -> Path:
    path = tmp_path / "message.eml"
    path.write_bytes(b"From: Alice <a@x.test>\nTo: b@x.test, C <c@x.test>\n\n.dot\n\xff")
    return path


async def send(sink: Sink, *arguments: str | Path) -> int:
    server = f"127.0.0.1:{sink.port}"
    return await asyncio.to_thread(run, ["send", "--server", server, *map(str, arguments)])


async def test_a_message_as_it_is(message: Path, capsys: Capture) -> None:
    async with Sink(QUEUED) as sink:
        assert await send(sink, message) == Exit.OK
    (received,) = sink.messages
    assert received.sender == "a@x.test"
    assert [address for address, _ in received.recipients] == ["b@x.test", "c@x.test"]
    assert received.content.endswith(b"\r\n\r\n.dot\r\n\xff\r\n")
    assert "BODY=8BITMIME" in received.sender_parameters
    assert sink.violations == []
    assert "as 0123456789ABCD" in capsys.readouterr().out


async def test_options_beat_header_fields(message: Path) -> None:
    async with Sink() as sink:
        assert await send(sink, "--from", "", "--to", "d@x.test", message) == Exit.OK
    assert sink.messages[0].sender == ""
    assert [address for address, _ in sink.messages[0].recipients] == ["d@x.test"]


async def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"To: b@x.test\n\nhello\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    async with Sink() as sink:
        assert await send(sink) == Exit.OK
    assert sink.messages[0].content == b"To: b@x.test\r\n\r\nhello\r\n"


async def test_every_message_of_an_mbox_over_several_connections(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "all.mbox"
    path.write_bytes(b"".join(b"From a\nTo: b@x.test\n\n%d\n\n" % n for n in range(40)))
    async with Sink() as sink:
        assert await send(sink, "--mbox", "--connections", "3", path) == Exit.OK
    bodies = {one.content.split(b"\r\n\r\n")[1] for one in sink.messages}
    assert bodies == {b"%d\r\n" % n for n in range(40)}
    assert sink.connections <= 3
    assert "40 messages taken" in capsys.readouterr().out


@pytest.mark.parametrize(
    "steps, code",
    [
        ({"dot": ["554 5.7.1 no"]}, Exit.NEGATIVE),
        ({"dot": ["452 4.3.1 full"]}, Exit.TEMPORARY),
        ({"mail": ["550 5.7.1 no"]}, Exit.NEGATIVE),
        ({"rcpt": ["550 5.1.1 no", "550 5.1.1 no"]}, Exit.NEGATIVE),
        ({"rcpt": ["250 ok", "450 4.2.0 later"]}, Exit.NEGATIVE),
        ({"data": ["451 4.3.0 later"]}, Exit.TEMPORARY),
        ({"connect": ["421 4.3.2 busy"]}, Exit.TEMPORARY),
        ({"dot": [Drop()]}, Exit.UNAVAILABLE),
    ],
)
async def test_the_exit_code_says_whether_all_got_250(
    message: Path, steps: dict[str, list[str | Drop]], code: Exit, capsys: Capture
) -> None:
    async with Sink(Script(steps)) as sink:
        assert await send(sink, "--json", message) == code
    told = json.loads(capsys.readouterr().out)
    assert len(told["failed"]) == 1


async def test_the_next_message_goes_out_after_a_refused_one(tmp_path: Path) -> None:
    path = tmp_path / "all.mbox"
    path.write_bytes(b"".join(b"From a\nTo: b@x.test\n\n%d\n\n" % n for n in range(3)))
    async with Sink(Script({"mail": ["550 5.7.1 no"]}), Script()) as sink:
        assert await send(sink, "--mbox", "--connections", "1", path) == Exit.NEGATIVE
    assert len(sink.messages) == 2


async def test_nobody_listens(message: Path, capsys: Capture) -> None:
    async with Sink() as sink:
        port = sink.port
    assert run(["send", "--server", f"127.0.0.1:{port}", str(message)]) == Exit.UNAVAILABLE
    assert "refused" in capsys.readouterr().err


def test_what_cannot_be_sent(tmp_path: Path, message: Path, capsys: Capture) -> None:
    assert run(["send", str(tmp_path / "none.eml")]) == Exit.NO_INPUT
    assert run(["send", "--server", "nowhere", str(message)]) == Exit.USAGE
    assert run(["send", "--server", "no.such.test:25", str(message)]) == Exit.UNAVAILABLE
    (tmp_path / "empty.eml").write_bytes(b"")
    assert run(["send", str(tmp_path / "empty.eml")]) == Exit.BAD_DATA
    assert "say --to ADDRESS" in capsys.readouterr().err


def test_what_no_memory_could_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("appliance.cli.send._LARGEST", 1 << 20)
    large = tmp_path / "large.eml"
    large.write_bytes(b"x" * ((1 << 20) + 1))
    assert run(["send", "--to", "a@b.test", str(large)]) == Exit.BAD_DATA
    assert "larger than 1.0 MiB" in capsys.readouterr().err


def test_envelope_of() -> None:
    content = b"Return-Path: <r@x.test>\r\nFrom: f@x.test\r\nTo: group:;, b@x.test\r\n\r\nTo: no@x"
    assert envelope_of(content) == ("r@x.test", ("b@x.test",))
    assert envelope_of(b"no header at all") == ("", ())
