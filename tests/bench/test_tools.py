"""The measuring tools themselves: a generator or sink that miscounts would prove anything."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.load import Load, Template
from tests.bench.processes import SinkProcess, cpu, memory, run_load, tree
from tests.bench.report import BESIDE, OURS, POSTFIX, Row
from tests.bench.sink import Sink, SinkSession
from tests.bench.trial import Measured, Scenario

HOST = "127.0.0.1"


class _Written(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data

    def close(self) -> None:
        self.closed = True


def _message(token: str, body: bytes) -> bytes:
    content = b"Received: x\r\nX-Bench-Token: " + token.encode() + b"\r\n\r\n" + body
    return b"MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n" + content + b".\r\n"


@given(st.data())
def test_sink_finds_every_token_however_the_bytes_are_cut(data: st.DataObject) -> None:
    bodies = [b"", b"..\r\n", b"line\r\n.. \r\n\r\n", b"x" * 200 + b"\r\n"]
    stream = b"EHLO me\r\n"
    for number, body in enumerate(bodies):
        stream += _message(f"t-{number}", body)
    stream += _message("t-0", b"again\r\n") + b"QUIT\r\n"
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30).map(sorted))

    sink, transport = Sink(), _Written()
    session = SinkSession(sink)
    session.connection_made(transport)
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        session.data_received(stream[start:end])

    assert sink.seen == {"t-0": 2, "t-1": 1, "t-2": 1, "t-3": 1}
    assert transport.closed
    assert transport.data.count(b"354 ") == transport.data.count(b"250 2.0.0 taken") == 5


def test_sink_refuses_those_who_shall_come_later() -> None:
    sink, transport = Sink(), _Written()
    session = SinkSession(sink)
    session.connection_made(transport)
    session.data_received(b"MAIL FROM:<>\r\nRCPT TO:<later@b.example>\r\nDATA\r\nRSET\r\n")

    assert sink.refused == 1
    assert [line[:3] for line in transport.data.split(b"\r\n")[1:-1]] == [
        *(b"250", b"451", b"503", b"250")
    ]


@pytest.mark.parametrize("size", [*range(400, 400 + 90), 4096, 100_000])
def test_template_has_the_size_and_only_clean_lines(size: int) -> None:
    template = Template(Load(to=(HOST, 25), run="r", size=size))
    one, other = template.message(1), template.message(2)

    assert size - 1 <= len(one) <= size
    assert len(one) == len(other)
    assert one != other
    assert re.fullmatch(rb"(?:[^.\r\n][^\r\n]*\r\n|\r\n)+", one)


@pytest.mark.parametrize("per_connection", [0, 1, 7])
def test_generator_and_sink_agree_on_every_message(per_connection: int, tmp_path: Path) -> None:
    with SinkProcess(HOST) as sink:
        load = run_load(
            sink.listen,
            tmp_path / "sent",
            run="r",
            connections=3,
            messages=50,
            per_connection=per_connection,
        )
        assert sink.ask("taken 50 60").distinct == 50
        figures = sink.ask(f"tokens {tmp_path / 'taken'}")

    sent = (tmp_path / "sent").read_text().split()
    taken = dict(line.split() for line in (tmp_path / "taken").read_text().splitlines())
    assert load.accepted == figures.messages == 50
    assert load.errors == {}
    assert taken == dict.fromkeys(sent, "1")
    assert len(set(sent)) == 50


def test_generator_gives_up_on_a_server_that_refuses_all(tmp_path: Path) -> None:
    with SinkProcess(HOST) as sink:
        load = run_load(
            sink.listen, tmp_path / "sent", run="r", recipient="later@b.example", messages=10_000
        )
    assert load.accepted == 0
    assert load.errors.keys() == {"451 4.2.1 later"}


def test_tree_counts_children() -> None:
    with SinkProcess(HOST) as sink:
        sink.ask("count")
        pid = sink.pid
        assert tree(pid) == [pid]
        assert cpu(pid) > 0
        assert all(size > 1 << 20 for size in memory(pid).values())


def _measured(rate: float) -> Measured:
    return Measured(
        rate=rate,
        accept_rate=rate,
        p50=1.0,
        p99=1.0,
        cpu=1.0,
        overhead=1.0,
        memory={},
        messages=1,
        duplicates=0,
    )


def test_ratio_is_the_median_of_the_rounds() -> None:
    """A machine that gets slower during the run makes no difference; one lucky round neither."""
    scenario = Scenario(name="x", deliver=True, target=2.5)
    rounds = {
        OURS: [_measured(rate) for rate in (900, 300, 100)],
        POSTFIX: [_measured(rate) for rate in (300, 100, 10)],
    }
    assert Row(scenario, rounds).ratio == 3
    assert Row(scenario, rounds).thrift == 1
    assert not Row(scenario, rounds).missed
    assert Row(Scenario(name="x", deliver=True, target=3.5), rounds).missed
    assert Row(scenario, {OURS: rounds[OURS]}).ratio is None
    alone = Scenario(name="y", deliver=True, beside=scenario)
    assert Row(alone, {OURS: rounds[OURS], BESIDE: rounds[POSTFIX]}).ratio == 3
