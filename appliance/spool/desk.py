"""Operators' commands: done by the owner, forwarded to it, or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from appliance.mail.reply import Refused, Reply
from appliance.replica import commands
from appliance.replica.frames import Answer, Ask
from appliance.replica.pair import Pair
from appliance.replica.record import Record
from appliance.spool.operations import Command, Done, Effect, Failed, Send, Token
from appliance.spool.owner import Owner
from appliance.spool.replication import Replication
from appliance.spool.store import Store

Write = Callable[[Sequence[Record], Mapping[str, bytes], int], int]


class Desk:
    """Takes commands from this node's operators and from the peer's."""

    def __init__(
        self, store: Store, owner: Owner, replication: Replication, pair: Pair, write: Write
    ) -> None:
        self._store = store
        self._owner = owner
        self._replication = replication
        self._pair = pair
        self._write = write
        self._asked: dict[int, Token] = {}
        self._requests = 0

    def link_down(self) -> list[Effect]:
        """Forwarded commands get no answer any more."""
        lost: list[Effect] = [Failed(token, _unreachable()) for token in self._asked.values()]
        self._asked.clear()
        return lost

    def command(self, command: Command, running: int) -> tuple[Done | None, list[Effect]]:
        """Do or forward a command: the answer to give when durable, and what is said at once."""
        try:
            if not self._decides(command.queue_id):
                return None, [self._forward(command)]
            record = self._owner.command(command, running)
        except LookupError as error:
            return None, [Failed(command.token, _unknown(error))]
        except Refused as error:
            return None, [Failed(command.token, error)]
        if record is not None:
            self._write([record], {}, running)
        return Done(command.token, commands.touched(record)), []

    def asked(self, ask: Ask, running: int) -> Send:
        """A command that the peer forwarded: the answer to send when durable."""
        command = Command(None, ask.action, ask.queue_id, ask.recipients, ask.address, ask.domain)
        try:
            if not self._decides(ask.queue_id):
                raise _unreachable()
            record = self._owner.command(command, running)
            if record is not None:
                self._write([record], {}, running)
        except LookupError as error:
            return Send(Answer(ask.request, str(_unknown(error)), ""))
        except Refused as error:
            return Send(Answer(ask.request, error.reply.text, error.hint))
        return Send(Answer(ask.request, "", "", commands.touched(record)))

    def answered(self, answer: Answer) -> list[Effect]:
        """The peer's word on a command that was forwarded to it."""
        token = self._asked.pop(answer.request, None)
        if token is None:
            return []
        if answer.problem:
            return [Failed(token, Refused(Reply(550, "5.7.1", answer.problem), answer.hint))]
        return [Done(token, answer.changed)]

    def _decides(self, queue_id: str) -> bool:
        entry = self._store.messages.get(queue_id)
        fresh = entry.state.incarnation == self._store.incarnation
        return (self._pair.synced or fresh) and self._owner.owns(entry)

    def _forward(self, command: Command) -> Effect:
        if not self._replication.greeted:
            return Failed(command.token, _unreachable())
        self._requests += 1
        self._asked[self._requests] = command.token
        return Send(
            Ask(
                self._requests,
                command.action,
                command.queue_id,
                command.recipients,
                command.address,
                command.domain,
            )
        )


def _unreachable() -> Refused:
    return Refused(
        Reply(450, "4.3.0", "the other node owns this message and cannot be reached"),
        "wait until it is adopted, or run `twinpost pair take-over` if the other node is dead",
    )


def _unknown(error: LookupError) -> Refused:
    return Refused(Reply(550, "5.1.1", str(error)), "list the queue with `twinpost queue list`")
