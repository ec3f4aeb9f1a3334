"""The verdict on a schedule. The oracle is the tokens that the sink really received."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from appliance.mail.envelope import Envelope
from appliance.replica.message import RecipientState
from appliance.replica.pair import Mode
from appliance.replica.record import Result
from appliance.spool.dump import dump
from appliance.spool.messages import Entry
from tests.sim.client import Client
from tests.sim.node import Node
from tests.sim.world import Sink
from tests.support.spool import check_spool

Delivered = tuple[bytes, str]
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode


class Violated(AssertionError):
    """An invariant does not hold."""


def expect(holds: bool, problem: str) -> None:
    if not holds:
        raise Violated(problem)


@dataclass
class Message:
    """A message as one node's spool has it."""

    queue_id: str
    content: bytes
    recipients: list[tuple[str, RecipientState]]


def message_of(node: Node, entry: Entry) -> Message:
    """A message with its content."""
    envelope = _decode_envelope(entry.envelope)
    recipients = [
        (state.log.address or recipient.address, state)
        for recipient, state in zip(envelope.recipients, entry.state.recipients, strict=True)
    ]
    return Message(entry.queue_id, node.content(entry.queue_id), recipients)


def messages_of(node: Node) -> list[Message]:
    """Every message on a node that is up."""
    return [message_of(node, entry) for entry in node.engine.store.messages.after(0, 1 << 30)]


@dataclass
class Allowance:
    """What the schedule's faults permit."""

    leases_at_faults: int = 0
    """Recipients whose attempts were under way when delivery was killed."""
    bounces_at_faults: int = 0
    """Outcomes with a DSN that were not acknowledged when the spool was killed: it may have
    journalled them on the peer only, and then the DSN is made again."""
    unbounded: bool = False
    """A backlog went to a node that could not know what the other one was doing."""
    unknown: Counter[Delivered] = field(default_factory=Counter)
    """Deliveries that only a lost disk knew of."""


class Oracle:
    """Judges two healed nodes."""

    def __init__(
        self,
        nodes: list[Node],
        clients: list[Client],
        sink: Sink,
        allowance: Allowance,
        faultless: bool,
        ended: dict[str, Message],
    ) -> None:
        """`ended`: messages as they were when they ended, which may have been pruned since."""
        self._ended = ended
        self._nodes, self._clients, self._sink = nodes, clients, sink
        self._allowance, self._faultless = allowance, faultless

    def judge_progress(self) -> None:
        """Nothing is stuck: every recipient has come to its end, or an operator holds it."""
        for node in self._nodes:
            expect(node.up, f"{node.name} is not up")
            mode = node.engine.pair.mode
            expect(mode is Mode.PAIRED, f"{node.name} is {mode} after healing")
            expect(not node.engine.exposed, f"{node.name} says {node.engine.exposed} exposed")
            for message in messages_of(node):
                for address, recipient in message.recipients:
                    ended = recipient.final is not None and not recipient.leased
                    held = recipient.log.held and not recipient.leased
                    what = f"{message.queue_id} for {address} is stuck on {node.name}: {recipient}"
                    expect(ended or held, what)

    def judge(self) -> None:
        """Raises Violated."""
        for node in self._nodes:
            expect(not node.engine.store.unapplied, f"{node.name} could not apply records")
            check_spool(node.engine.store, node.bodies)
        first, second = (dump(node.engine.store) for node in self._nodes)
        expect(first == second, "the two nodes differ")
        marks = [node.engine.store.journal.marks() for node in self._nodes]
        expect(marks[0] == marks[1], "the two journals do not end alike")
        here = {message.queue_id: message for message in messages_of(self._nodes[0])}
        messages = {**self._ended, **here}
        for client in self._clients:
            if client.told is not None and not client.excused:
                self._judge_message(client, messages)
        self._judge_duplicates(messages)

    def _judge_message(self, client: Client, messages: dict[str, Message]) -> None:
        what = f"{client.queue_id} (250 in {client.told})"
        expect(client.queue_id in messages, f"{what} is lost")
        message = messages[client.queue_id]
        expect(message.content == client.token, f"{what} has other content")
        for (address, recipient), original in zip(
            message.recipients, client.recipients, strict=True
        ):
            final = recipient.final
            expect(final is not None, f"{what}: {address} never came to an end: {recipient}")
            if final is Result.DELIVERED and not any(t.mailbox for t in recipient.trials):
                reached = [self._sink.received[client.token, one] for one in (address, original)]
                expect(any(reached), f"{what}: {address} never got it")
            if final is Result.BOUNCED and client.sender:
                told = self._sink.received[b"DSN " + client.token, client.sender]
                expect(told > 0, f"{what}: no DSN")

    def _judge_duplicates(self, messages: dict[str, Message]) -> None:
        counted, surplus = self._counted(messages), 0
        tokens = {client.token for client in self._clients}
        for (content, address), times in self._sink.received.items():
            expect(content.removeprefix(b"DSN ") in tokens, "a message nobody sent")
            surplus += times - 1
            allowed = counted[content, address] + self._allowance.unknown[content, address]
            allowed += self._allowance.bounces_at_faults * content.startswith(b"DSN ")
            what = f"{content[:20]!r} for {address}: {times} times, {allowed} counted"
            expect(times - 1 <= allowed, what)
        if self._faultless:
            expect(not surplus and not counted.total(), "duplicates without a fault")
        if not self._allowance.unbounded:
            leases = self._allowance.leases_at_faults + self._allowance.bounces_at_faults
            expect(surplus <= leases, f"{surplus} duplicates, but only {leases} leases were open")

    def _counted(self, messages: dict[str, Message]) -> Counter[Delivered]:
        """Duplicates as the product counts them."""
        counted = Counter[Delivered]()
        senders = {client.token: client.sender for client in self._clients}
        for message in messages.values():
            for address, recipient in message.recipients:
                counted[message.content, address] += recipient.duplicates
                if sender := senders.get(message.content):
                    counted[b"DSN " + message.content, sender] += recipient.duplicates
        return counted


def known_attempts(node: Node, by: bytes) -> Counter[Delivered]:
    """How often `node` knows that node `by` attempted each message for each recipient."""
    known, nodes = Counter[Delivered](), node.engine.store.ownership.nodes
    for message in messages_of(node):
        for address, recipient in message.recipients:
            known[message.content, address] += sum(
                nodes[trial.attempt.incarnation] == by for trial in recipient.trials
            )
    return known
