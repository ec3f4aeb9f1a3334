"""The mail process as control reaches it, over a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from appliance.control.mail_process import MailProcess
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.mail import (
    SERVER_CODEC,
    Call,
    CommandCall,
    Durable,
    HandOverCall,
    Results,
    Said,
    TakeOverCall,
    Target,
    View,
    ViewCall,
)
from appliance.ipc.server import Peer, serve
from appliance.ipc.wire import CallFailed, Failure
from appliance.mail.reply import Refused
from appliance.mail.views import CommandResult, Unavailable
from tests.support.control import MAIL


class Handler:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.view = MAIL
        self.peers: list[Peer[Said, Call]] = []

    def connected(self, peer: Peer[Said, Call]) -> None:
        self.peers.append(peer)

    def lost(self, peer: Peer[Said, Call], error: ConnectionLost) -> None:
        self.peers.remove(peer)

    def pushed(self, peer: Peer[Said, Call], message: Call) -> None:
        self.calls.append(message)

    def request(self, peer: Peer[Said, Call], message: Call) -> Said:
        self.calls.append(message)
        match message:
            case ViewCall():
                return View(self.view)
            case CommandCall():
                return Results(
                    tuple(CommandResult(queue_id=one.queue_id) for one in message.targets)
                )
            case HandOverCall():
                if message.patience:
                    return Durable()
                raise CallFailed(Failure("refused", "deliveries are under way", "wait"))
            case TakeOverCall():
                raise CallFailed(Failure("refused", "the peer is there", "wait"))
        peer.close()
        raise CallFailed(Failure("internal", "never asked"))


async def test_calls(tmp_path: Path) -> None:
    handler = Handler()
    server = await serve(tmp_path / "mail.sock", SERVER_CODEC, handler)
    mail = MailProcess(tmp_path / "mail.sock")
    assert list(await asyncio.gather(mail.view(), mail.view())) == [MAIL, MAIL]
    assert len(handler.peers) == 1
    targets = [Target("Q1"), Target("Q2", (1,))]
    for call in (mail.hold, mail.release, mail.retry, mail.remove):
        assert [one.queue_id for one in await call(targets, "uid 0")] == ["Q1", "Q2"]
    await mail.redirect(targets, "x@y.test", "uid 0")
    told = [call for call in handler.calls if isinstance(call, CommandCall)]
    assert [call.action for call in told] == ["hold", "release", "retry", "remove", "redirect"]
    assert told[-1] == CommandCall("redirect", tuple(targets), "uid 0", "x@y.test")
    with pytest.raises(Refused) as caught:
        await mail.take_over("uid 0")
    assert caught.value.hint == "there is nothing to take over"
    await mail.hand_over(3_000, "uid 0")
    assert handler.calls[-1] == HandOverCall(3_000, "uid 0")
    with pytest.raises(Refused, match="deliveries are under way"):
        await mail.hand_over(0, "uid 0")
    handler.view = msgspec.structs.replace(MAIL, synced=False)
    with pytest.raises(Refused) as caught:
        await mail.take_over("uid 0")
    assert caught.value.hint == "wait"
    mail.close()
    server.close()


async def test_a_mail_process_that_comes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "mail.sock"
    mail = MailProcess(path)
    with pytest.raises(Unavailable):
        await mail.view()
    for _ in range(2):
        server = await serve(path, SERVER_CODEC, Handler())
        assert await mail.view() == MAIL
        server.close()
        with pytest.raises(Unavailable):
            await mail.view()
    mail.close()
