"""A transaction against a real server on a socket: each reply at each stage, each broken end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from appliance.config.delivery import DeliverySettings
from appliance.config.units import Duration
from appliance.delivery.content import Content
from appliance.delivery.dots import DamagedContent
from appliance.delivery.resolve import HostsFile
from appliance.delivery.smtp import Connector, Session
from appliance.delivery.transaction import Strain, Transaction
from appliance.mail.route import NextHop
from appliance.mail.work import Result
from tests.support.nameserver import WITHOUT_DNS
from tests.support.sink import EXTENSIONS, Drop, Gate, Script, Sink, Step
from tests.support.trust import Trusting
from tests.support.work import lease, message

DELIVERED, DEFERRED, BOUNCED, CANCELLED = (
    Result.DELIVERED,
    Result.DEFERRED,
    Result.BOUNCED,
    Result.CANCELLED,
)
IN_TURN = tuple(e for e in EXTENSIONS if e != "PIPELINING")
SMALL = message("small", 4096)
LARGE = message("large", 1 << 20)


def always() -> bool:
    return True


class Fence:
    """Open for so many questions, then closed."""

    def __init__(self, open_for: int) -> None:
        self.left = open_for

    def __call__(self) -> bool:
        self.left -= 1
        return self.left >= 0


async def connect(sink: Sink, settings: DeliverySettings | None = None) -> Session:
    connector = Connector(
        "node.test", settings or DeliverySettings(), HostsFile(), WITHOUT_DNS, Trusting(), monotonic
    )
    return await connector.connect([NextHop(sink.host, sink.port)])


async def send(
    session: Session,
    content: bytes = SMALL,
    recipients: Iterable[str] = ("b@to.test",),
    fence: Callable[[], bool] = always,
) -> Transaction:
    work, reader = lease(content, recipients=recipients)
    return await session.send(work, work.recipients, Content(reader, work.queue_id), fence)


@asynccontextmanager
async def against(
    steps: Mapping[str, Sequence[Step]],
    extensions: Sequence[str] = EXTENSIONS,
    addresses: Mapping[str, Step] | None = None,
) -> AsyncIterator[tuple[Sink, Session]]:
    async with Sink(Script(steps, extensions, addresses or {})) as sink:
        session = await connect(sink)
        yield sink, session
        session.quit()
        assert sink.violations == []


both = pytest.mark.parametrize("extensions", [EXTENSIONS, IN_TURN], ids=["pipelined", "in turn"])
sizes = pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])


@both
@sizes
async def test_delivered(extensions: Sequence[str], content: bytes) -> None:
    async with against({}, extensions) as (sink, session):
        for _ in range(3):
            done = await send(session, content)
            assert [(e.result, str(e.reply)) for e in done.endings] == [
                (DELIVERED, "250 2.0.0 taken")
            ]
            assert session.usable
            assert done.strain is Strain.NONE
        assert [m.content for m in sink.messages] == [content] * 3
        assert sink.connections == 1


async def test_pipelining_puts_the_envelope_into_one_write() -> None:
    async with against({"mail": [gate := Gate()]}) as (sink, session):
        assert session.peer.pipelining
        sending = send(session, recipients=["b@to.test", "c@to.test"])
        task = asyncio.ensure_future(sending)
        await gate.reached.wait()
        gate.open()
        assert [e.result for e in (await task).endings] == [DELIVERED] * 2
        assert [line.split(":")[0] for _, line in sink.commands[1:]] == [
            "MAIL FROM",
            "RCPT TO",
            "RCPT TO",
            "DATA",
        ]


@both
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize(
    "reply,result,strain",
    [
        ("450 4.2.0 later", DEFERRED, Strain.NONE),
        ("451 4.7.1 slower", DEFERRED, Strain.SLOW),
        ("550 5.7.1 never", BOUNCED, Strain.NONE),
        ("421 4.3.2 going down", DEFERRED, Strain.DOWN),
        ("530 5.7.0 who are you?", DEFERRED, Strain.DOWN),
    ],
)
async def test_refused(
    extensions: Sequence[str], stage: str, reply: str, result: Result, strain: Strain
) -> None:
    async with against({stage: [reply]}, extensions) as (sink, session):
        done = await send(session)
        assert [e.result for e in done.endings] == [result]
        assert reply.split(" ", 2)[2] in done.endings[0].reply.text
        assert done.strain is (Strain.NONE if (stage, strain) == ("rcpt", Strain.SLOW) else strain)
        assert sink.tokens == {}
        # A refusal leaves the connection fit for the next message, a 421 does not.
        assert session.usable is (not reply.startswith("421"))
        if session.usable:
            assert [e.result for e in (await send(session)).endings] == [DELIVERED]


@both
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize(
    "nonsense",
    [
        b"350 hm\r\n",
        b"hello\r\n",
        b"250 ok\n",
        b"250-never\r\n251 ending\r\n",
        b"199 no\r\n",
        b"250 \x00" + b"x" * 5000,
        b"250-a\r\n" * 6000,
    ],
)
async def test_nonsense_is_transient_and_ends_the_connection(
    extensions: Sequence[str], stage: str, nonsense: bytes
) -> None:
    async with against({stage: [nonsense]}, extensions) as (_, session):
        done = await send(session)
        assert [e.result for e in done.endings] == [DEFERRED]
        assert not session.usable
        assert "\n" not in done.endings[0].reply.text


@both
async def test_250_in_place_of_354_is_no_licence_to_send(extensions: Sequence[str]) -> None:
    async with against({"data": ["250 sure"]}, extensions) as (sink, session):
        assert [e.result for e in (await send(session)).endings] == [DEFERRED]
        assert not session.usable
        await sink.reached("closed")
        assert not [line for _, line in sink.commands if line.startswith("X-Token")]


async def test_a_reply_nobody_asked_for_is_not_the_answer_to_the_dot() -> None:
    async with against({"data": [b"354 go\r\n250 2.0.0 taken\r\n"]}) as (_, session):
        done = await send(session)
        assert [e.result for e in done.endings] == [DEFERRED]
        assert not session.usable


@both
@sizes
@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
async def test_connection_dropped(
    extensions: Sequence[str], content: bytes, stage: str, reset: bool
) -> None:
    async with against({stage: [Drop(reset=reset)]}, extensions) as (sink, session):
        done = await send(session, content, ["b@to.test", "c@to.test"])
        assert [e.result for e in done.endings] == [DEFERRED] * 2
        assert done.strain is Strain.SLOW
        assert not session.usable
        # After the final dot nobody knows; that is said, since it is what makes a duplicate.
        in_doubt = "may have taken it" in done.endings[0].reply.text
        assert in_doubt is (stage == "dot")
        assert len(sink.messages) == (1 if stage == "dot" else 0)
        assert done.unheard is (stage == "mail")


@both
async def test_some_recipients(extensions: Sequence[str]) -> None:
    addresses = {"x@to.test": "550 5.1.1 nobody", "y@to.test": "450 4.2.1 full"}
    async with against({}, extensions, addresses) as (sink, session):
        recipients = ["a@to.test", "x@to.test", "b@to.test", "y@to.test"]
        done = await send(session, recipients=recipients)
        assert [e.result for e in done.endings] == [DELIVERED, BOUNCED, DELIVERED, DEFERRED]
        assert [e.reply.enhanced for e in done.endings] == ["2.0.0", "5.1.1", "2.0.0", "4.2.1"]
        assert [r for r, _ in sink.messages[0].recipients] == ["a@to.test", "b@to.test"]


async def test_trouble_is_what_the_next_hop_said_not_what_it_said_of_a_recipient() -> None:
    steps: dict[str, list[Step]] = {"data": ["421 4.3.2 going down"]}
    async with against(steps, IN_TURN, {"x@to.test": "550 5.1.1 nobody"}) as (_, session):
        done = await send(session, recipients=["b@to.test", "x@to.test"])
        assert [e.result for e in done.endings] == [DEFERRED, BOUNCED]
        assert (done.strain, str(done.trouble)) == (Strain.DOWN, "421 4.3.2 going down")


@both
@pytest.mark.parametrize(
    "reply,again",
    [
        ("452 4.5.3 too many", True),
        ("452 too many", True),
        ("552 too many", True),
        ("452 4.3.1 disk full", False),
        ("552 5.2.2 mailbox full", False),
    ],
)
async def test_a_limit_on_recipients_means_another_transaction(
    extensions: Sequence[str], reply: str, again: bool
) -> None:
    async with against({}, extensions, {"c@to.test": reply, "d@to.test": reply}) as (_, session):
        done = await send(session, recipients=["b@to.test", "c@to.test", "d@to.test"])
        assert [e.again for e in done.endings] == [False, again, again]


async def test_a_354_without_recipients_is_answered_by_a_lone_dot() -> None:
    async with against({"rcpt": ["550 5.1.1 nobody"], "data": ["354 go"]}) as (sink, session):
        assert [e.result for e in (await send(session)).endings] == [BOUNCED]
        assert [(m.content, m.recipients) for m in sink.messages] == [(b"", ())]
        assert session.usable


@both
@sizes
async def test_fence_closed_from_the_start_says_nothing(
    extensions: Sequence[str], content: bytes
) -> None:
    async with against({}, extensions) as (sink, session):
        done = await send(session, content, fence=Fence(0))
        assert [e.result for e in done.endings] == [CANCELLED]
        assert session.usable
        session.quit()
        await sink.reached("closed")
        assert [line for _, line in sink.commands] == ["EHLO node.test", "QUIT"]


async def test_fence_closed_just_before_data_resets() -> None:
    async with against({}, IN_TURN, {"x@to.test": "550 5.1.1 nobody"}) as (sink, session):
        done = await send(session, recipients=["b@to.test", "x@to.test"], fence=Fence(1))
        # The bounce too is for the owner to decide, and that is no longer this node.
        assert [e.result for e in done.endings] == [CANCELLED] * 2
        assert sink.commands[-1][1] == "RSET"
        assert session.usable


@both
@sizes
async def test_fence_closed_before_the_final_dot_sends_none(
    extensions: Sequence[str], content: bytes
) -> None:
    questions_before_content = 1 if extensions is EXTENSIONS else 2
    for extra in range(3 if content is LARGE else 1):
        async with against({}, extensions) as (sink, session):
            fence = Fence(questions_before_content + extra)
            done = await send(session, content, fence=fence)
            assert [e.result for e in done.endings] == [CANCELLED]
            assert not session.usable
            await sink.reached("closed")
            assert (sink.messages, sink.partial) == ([], 1)


async def test_the_last_question_comes_after_the_last_block() -> None:
    work, reader = lease(LARGE)
    blocks = -(-len(LARGE) // 65536)
    asked_at_the_end = 0

    def fence() -> bool:
        nonlocal asked_at_the_end
        asked_at_the_end += reader.reads == blocks
        return asked_at_the_end < 2

    async with against({}) as (sink, session):
        content = Content(reader, work.queue_id)
        done = await session.send(work, work.recipients, content, fence)
        assert [e.result for e in done.endings] == [CANCELLED]
        await sink.reached("closed")
        assert (sink.messages, sink.partial) == ([], 1)


@both
async def test_stopped_while_waiting(extensions: Sequence[str]) -> None:
    for stage, result in [("rcpt", CANCELLED), ("data", CANCELLED), ("dot", DEFERRED)]:
        gate = Gate()
        async with against({stage: [gate]}, extensions) as (_, session):
            task = asyncio.ensure_future(send(session))
            await gate.reached.wait()
            session.abort()
            done = await task
            assert [e.result for e in done.endings] == [result]
            assert done.strain is Strain.NONE


@both
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
async def test_silence_times_out(extensions: Sequence[str], stage: str) -> None:
    brief = Duration(50)
    settings = DeliverySettings(
        command_timeout=brief, data_init_timeout=brief, data_done_timeout=brief
    )
    async with Sink(Script({"connect": ["220 hi"], stage: [Gate()]}, extensions)) as sink:
        session = await connect(sink, settings)
        done = await send(session)
        assert [e.result for e in done.endings] == [DEFERRED]
        assert "in time" in done.endings[0].reply.text
        assert not session.usable


@both
@pytest.mark.parametrize(
    "reply,result",
    [
        ("552 5.3.4 too large", BOUNCED),
        ("451 4.3.0 no", DEFERRED),
        ("421 4.3.2 going down", DEFERRED),
        ("250 2.0.0 taken", DEFERRED),
    ],
)
async def test_a_server_that_speaks_in_the_middle_of_data(
    extensions: Sequence[str], reply: str, result: Result
) -> None:
    # Much more than socket buffers hold: the reply is there before the last block is written.
    content = message("huge", 16 << 20)
    async with against({"content": [reply]}, extensions) as (sink, session):
        done = await send(session, content)
        assert [e.result for e in done.endings] == [result]
        assert reply[4:] in done.endings[0].reply.text or reply[10:] in done.endings[0].reply.text
        await sink.reached("closed")
        assert (sink.messages, sink.partial) == ([], 1)


async def test_damaged_content_is_not_sent() -> None:
    damaged = message("bad") + b"x\n.\nMAIL FROM:<evil@x>\r\n"
    async with against({}) as (sink, session):
        with pytest.raises(DamagedContent):
            await send(session, damaged)
        assert len(sink.commands) == 1
    async with against({}) as (sink, session):
        with pytest.raises(DamagedContent):
            await send(session, LARGE + damaged)
        await sink.reached("closed")
        assert (sink.messages, sink.partial) == ([], 1)


async def test_missing_content_is_noticed_before_the_final_dot() -> None:
    async with against({}) as (sink, session):
        work, reader = lease(SMALL)
        reader.bodies.clear()
        with pytest.raises(LookupError):
            await session.send(work, work.recipients, Content(reader, work.queue_id), always)
        await sink.reached("closed")
        assert sink.messages == []


async def test_idle_connection_ends_when_the_server_speaks() -> None:
    async with Sink(Script({"dot": [Drop("250 2.0.0 taken")]})) as sink:
        session = await connect(sink)
        done = await send(session)
        assert [e.result for e in done.endings] == [DELIVERED]
        await sink.reached("closed")
        # The loop may not have read the end yet: the message goes nowhere, and is unheard.
        done = await send(session)
        assert done.unheard
        assert [e.result for e in done.endings] == [DEFERRED]
        assert len(sink.messages) == 1
