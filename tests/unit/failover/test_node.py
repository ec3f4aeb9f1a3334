"""What joins routers, packets and liveness: told by two nodes that hand packets over."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from appliance.failover.advertisement import PairMode, Rejection, Sender, Status
from appliance.failover.conversation import Conversation
from appliance.failover.node import Effect, Node, PeerAlive, Send
from appliance.failover.parameters import CENTISECOND, VirtualRouter
from appliance.failover.router import IllegalInput, Reason, ReleaseAddresses, State, Transition

INTERVAL = 10 * CENTISECOND
KEY = b"k" * 32


class End:
    """A node at the one path of the two, and its conversation."""

    def __init__(self, name: str, peer: str, *priorities: int) -> None:
        mine, theirs = (n.encode().ljust(8) for n in (name, peer))
        self.talk = Conversation(KEY, mine, theirs, mine * 2)
        routers = [
            VirtualRouter(vrid=v, addresses=(IPv4Address(f"192.0.2.{v}"),), priority=p)
            for v, p in enumerate(priorities, 1)
        ]
        self.node = Node(routers, Sender(IPv4Address("192.0.2.99"), mine), self.talk, [1])


def packets(effects: list[Effect]) -> list[bytes]:
    return [effect.data for effect in effects if isinstance(effect, Send)]


def hand_over(data: list[bytes], to: End, by: End, now: int = 0) -> list[Effect]:
    """All of it, and what it brings about; the rest of the effects, of both."""
    rest: list[Effect] = []
    for one in data:
        effects = to.node.receive(now, 1, one)
        rest += [effect for effect in effects if not isinstance(effect, Send)]
        rest += hand_over(packets(effects), by, to, now)
    return rest


def started(*priorities: int) -> tuple[End, End]:
    """`a` is the owner of the first address and thus Active for it, `b` is Backup for all."""
    a, b = End("a", "b", 255), End("b", "a", *(priorities or (100,)))
    b.node.start(0)
    assert hand_over(packets(a.node.start(0)), b, a) == [PeerAlive(True), PeerAlive(True)]
    return a, b


def test_status_is_told() -> None:
    a, b = started()
    a.node.status = Status(PairMode.PAIRED, 17, True)
    hand_over(packets(a.node.timer(INTERVAL)), b, a, INTERVAL)
    assert b.node.peer == Status(PairMode.PAIRED, 17, True)
    assert a.node.peer == Status()


def test_a_late_advertisement_shows_life_and_nothing_else() -> None:
    a, b = started()
    (first,) = packets(a.node.timer(INTERVAL))
    (second,) = packets(a.node.timer(2 * INTERVAL))
    hand_over([second], b, a, 2 * INTERVAL)
    router = b.node.routers[1]
    due = router.next_timer()
    assert b.node.receive(2 * INTERVAL + 5, 1, first) == []
    assert router.next_timer() == due
    assert b.talk.rejected[Rejection.REPLAYED] == 0


def test_a_virtual_router_that_only_the_peer_has() -> None:
    a, b = started()
    before = a.talk.rejected[Rejection.FOREIGN]
    advertisement = b.node.routers[1].advertisement
    other = type(advertisement)(9, 200, 10, advertisement.sender)
    a.node.receive(INTERVAL, 1, b.talk.packet(1, Status(), other))
    assert a.talk.rejected[Rejection.FOREIGN] == before + 1
    assert a.node.routers[1].state is State.ACTIVE


def test_a_node_that_stopped_is_silent() -> None:
    a, b = started()
    offer = packets(a.node.stop(INTERVAL))
    assert len(offer) == 1
    assert a.node.receive(INTERVAL, 1, b.talk.packet(1, Status())) == []
    due = a.node.next_timer()  # the peer is not heard any more
    assert due is not None
    assert a.node.timer(due) == [PeerAlive(False)]
    assert a.node.next_timer() is None
    with pytest.raises(IllegalInput):
        a.node.stop(due)


def test_a_node_that_never_started_is_silent() -> None:
    a, b = End("a", "b", 200), End("b", "a", 100)
    assert a.node.next_timer() is None
    assert a.node.receive(0, 1, b.talk.packet(1, Status())) == []
    assert not a.talk.rejected


@pytest.mark.parametrize("data", [b"noise", None], ids=["noise", "heartbeat"])
def test_after_a_gap_the_address_is_dropped_before_anything_is_said(data: bytes | None) -> None:
    a, b = started()
    effects = a.node.receive(50 * INTERVAL, 1, data or b.talk.packet(1, Status()))
    addresses = a.node.routers[1].parameters.addresses
    assert effects == [
        ReleaseAddresses(1, addresses),
        Transition(1, State.ACTIVE, State.BACKUP, Reason.GAP),
    ]


def test_a_backup_sends_heartbeats_and_the_link_shows_life_as_well() -> None:
    _, b = started()
    assert b.node.next_timer() == INTERVAL
    assert len(packets(b.node.timer(INTERVAL))) == 1
    assert b.node.next_timer() == 2 * INTERVAL
    assert b.node.heard(INTERVAL, Node.LINK) == []
    assert b.node.living_paths(INTERVAL) == {Node.LINK, 1}
    assert b.node.living_paths(4 * INTERVAL) == {Node.LINK}


def test_health_of_one_virtual_router_leaves_the_other() -> None:
    _, b = started(100, 100)
    b.node.health(0, 1, 0)
    assert [b.node.routers[vrid].priority for vrid in (1, 2)] == [0, 100]


def test_what_the_peer_is_active_for_is_known_until_it_would_be_dead() -> None:
    a, b = started()
    assert b.node.peer_active(0, 1)
    assert not a.node.peer_active(0, 1)
    dead = 3 * INTERVAL + INTERVAL // 256
    assert b.node.peer_active(dead - 1, 1)
    assert not b.node.peer_active(dead, 1)
    assert not b.node.peer_active(0, 2)
    hand_over(packets(a.node.stop(INTERVAL)), b, a, INTERVAL)
    assert not b.node.peer_active(INTERVAL, 1)
