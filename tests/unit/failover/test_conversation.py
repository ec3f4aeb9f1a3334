"""Rule 12: two starts learn each other, and no packet counts twice or for another start."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.failover.advertisement import (
    Advertisement,
    Challenge,
    Rejected,
    Rejection,
    Sender,
    Status,
)
from appliance.failover.conversation import Conversation, Heard, Stale

KEY = b"k" * 32
A, B = b"node---A", b"node---B"
STATUS = Status()


def start(node: bytes, peer: bytes, number: int) -> Conversation:
    return Conversation(KEY, node, peer, node + number.to_bytes(8, "big"))


def refusal(to: Conversation, data: bytes, path: int = 1) -> Rejection:
    """Why it is refused; and that nothing but the count of refusals changes."""
    before = snapshot(to)
    count = to.rejected.total()
    with pytest.raises(Rejected) as caught:
        to.receive(path, data)
    assert snapshot(to) == before
    assert to.rejected.total() == count + 1
    return caught.value.reason


def snapshot(of: Conversation) -> str:
    state = {name: value for name, value in vars(of).items() if name != "rejected"}
    windows = {path: vars(window) for path, window in state.pop("_windows").items()}
    return f"{state} {windows}"


def say(data: bytes, by: Conversation, to: Conversation) -> list[str]:
    """Hand a packet over, and all that it brings about, as a node would; what became of each."""
    story = list[str]()
    queue = [(data, by, to)]
    while queue:
        data, by, to = queue.pop(0)
        try:
            heard = to.receive(1, data)
        except Stale as stale:
            story.append("stale")
            queue.append((to.packet(1, STATUS, echo=stale.challenge), to, by))
        except Rejected as rejected:
            story.append(rejected.reason.value)
        else:
            story.append("greeted" if heard.greeted else "heard")
            if heard.greeted:
                queue.append((to.packet(1, STATUS), to, by))
    return story


def acquainted() -> tuple[Conversation, Conversation]:
    a, b = start(A, B, 1), start(B, A, 1)
    say(a.packet(1, STATUS), a, b)
    return a, b


def test_two_starts_learn_each_other_by_one_packet() -> None:
    a, b = start(A, B, 1), start(B, A, 1)
    assert say(a.packet(1, STATUS), a, b) == ["stale", "greeted", "greeted", "heard"]
    assert say(b.packet(1, STATUS), b, a) == ["heard"]
    assert say(a.packet(1, STATUS), a, b) == ["heard"]


def test_both_speak_first() -> None:
    a, b = start(A, B, 1), start(B, A, 1)
    first, second = a.packet(1, STATUS), b.packet(1, STATUS)
    assert say(first, a, b)[-1] == "heard"
    assert say(second, b, a) == ["stale", "heard"]  # it echoed nothing; answered, and settled


def test_a_new_start_is_learned_and_the_old_one_is_stale_for_good() -> None:
    a, b = acquainted()
    withheld = [b.packet(1, STATUS) for _ in range(3)]
    again = start(B, A, 2)
    assert say(again.packet(1, STATUS), again, a) == ["stale", "greeted", "greeted", "heard"]
    assert {refusal(a, data) for data in withheld} == {Rejection.STALE}
    third = start(B, A, 3)
    assert say(third.packet(1, STATUS), third, a)[-1] == "heard"
    assert {refusal(a, data) for data in withheld} == {Rejection.STALE}


def test_what_the_old_start_sent_last_cannot_undo_the_new_one() -> None:
    """Withheld until the new one is known only to itself, it counts once, as it is unheard yet."""
    a, b = acquainted()
    withheld = b.packet(1, STATUS)
    again = start(B, A, 2)
    hello = again.packet(1, STATUS)
    assert not a.receive(1, withheld).greeted
    assert say(hello, again, a)[-1] == "heard"
    assert refusal(a, withheld) is Rejection.STALE


def test_packets_under_way_while_the_other_learns_are_heard() -> None:
    """`a` goes on to its next generation; what `b` sent before it knew of it still counts."""
    a, b = start(A, B, 1), start(B, A, 1)
    with pytest.raises(Stale) as stale:
        b.receive(1, a.packet(1, STATUS))
    answer = b.packet(1, STATUS, echo=stale.value.challenge)
    under_way = b.packet(1, STATUS, echo=stale.value.challenge)
    assert a.receive(1, answer).greeted
    assert not a.receive(1, under_way).greeted


def test_a_stopped_node_goes_on_where_it_was() -> None:
    a, b = acquainted()
    for _ in range(500):
        lost = a.packet(1, STATUS)
    assert say(b.packet(1, STATUS), b, a) == ["heard"]
    assert say(lost, a, b) == ["heard"]


def test_a_stopped_node_finds_its_peer_started_anew() -> None:
    _, b = acquainted()
    a = start(A, B, 2)
    for _ in range(9):
        a.packet(1, STATUS)
    assert say(b.packet(1, STATUS), b, a) == ["stale", "greeted", "greeted", "heard"]


def test_an_earlier_start_that_goes_on_after_a_later_one_has_gone() -> None:
    """A stopped process, and another started in its stead: both are heard while they talk."""
    a, b = acquainted()
    old = [b.packet(1, STATUS) for _ in range(3)]
    other = start(B, A, 2)
    say(other.packet(1, STATUS), other, a)
    assert say(b.packet(1, STATUS), b, a) == ["stale", "heard"]  # now it knows a's generation
    assert say(b.packet(1, STATUS), b, a) == ["greeted", "heard"]
    assert say(a.packet(1, STATUS), a, b) == ["heard"]
    assert {refusal(a, data) for data in old} == {Rejection.STALE}


def test_the_newest_challenge_is_echoed_whatever_comes_late() -> None:
    a, b = acquainted()
    withheld = b.packet(1, STATUS)
    other = start(A, B, 2)
    say(other.packet(1, STATUS), other, b)
    say(a.packet(1, STATUS), a, b)
    assert say(b.packet(1, STATUS), b, a) == ["stale", "greeted", "heard"]
    assert a.receive(1, withheld).late
    assert say(a.packet(1, STATUS), a, b) == ["heard"]


def test_replayed() -> None:
    a, b = acquainted()
    data = a.packet(1, STATUS)
    b.receive(1, data)
    assert refusal(b, data) is Rejection.REPLAYED


def test_before_our_start() -> None:
    """Packets recorded before a start are answered, and the answer leads to nothing."""
    a, _ = acquainted()
    recorded = [a.packet(1, STATUS) for _ in range(5)]
    again = start(B, A, 2)
    for data in recorded:
        assert refusal(again, data) is Rejection.STALE
    a = start(A, B, 2)
    assert say(recorded[0], a, again) == ["stale", "stale", "greeted", "greeted", "heard"]
    for data in recorded:  # now that both live, repeating them moves nobody
        assert say(data, a, again) == ["stale", "stale", "heard"]


def test_our_own_packet_comes_back() -> None:
    a, _ = acquainted()
    assert refusal(a, a.packet(1, STATUS)) is Rejection.FOREIGN


def test_another_node_with_the_key() -> None:
    a, _ = acquainted()
    assert refusal(a, start(b"node---C", A, 1).packet(1, STATUS)) is Rejection.FOREIGN


def test_moved_to_another_path() -> None:
    a, b = acquainted()
    data = a.packet(1, STATUS)
    assert refusal(b, data, path=2) is Rejection.PATH
    b.receive(1, data)


def test_hostile_bytes() -> None:
    a, b = acquainted()
    data = a.packet(1, STATUS)
    forged = data[:-1] + bytes([data[-1] ^ 1])
    assert refusal(b, forged) is Rejection.FORGED
    assert refusal(b, data[:-1]) is Rejection.LENGTH
    assert refusal(b, b"HTTP" + data[4:]) is Rejection.FOREIGN
    assert dict(b.rejected) == {
        Rejection.STALE: 1,  # the greeting
        Rejection.FORGED: 1,
        Rejection.LENGTH: 1,
        Rejection.FOREIGN: 1,
    }


def test_an_echo_from_the_future_is_not_ours() -> None:
    """A node put back to an earlier state has told challenges that it no longer knows of."""
    a, b = acquainted()
    echo = Challenge(a._challenge.nonce, a._challenge.generation + 1)
    assert refusal(a, b.packet(1, STATUS, echo=echo)) is Rejection.STALE


@given(st.permutations(range(80)))
def test_overtaking_packets_count_once(order: list[int]) -> None:
    a, b = acquainted()
    sent = [a.packet(1, STATUS) for _ in order]
    highest, seen = -1, set[int]()
    for number in [*order, *order]:
        if number in seen or number <= highest - 64:
            assert refusal(b, sent[number]) is Rejection.REPLAYED
            continue
        assert b.receive(1, sent[number]).late is (number < highest)
        seen.add(number)
        highest = max(highest, number)


def test_late_over_another_path() -> None:
    a, b = acquainted()
    slow, quick = a.packet(2, STATUS), a.packet(1, STATUS)
    assert not b.receive(1, quick).late
    assert b.receive(2, slow).late


def test_what_concerns_another_virtual_router_is_not_late() -> None:
    a, b = acquainted()
    one, two = (
        a.packet(1, STATUS, Advertisement(vrid, 100, 10, Sender(IPv4Address("192.0.2.1"), A)))
        for vrid in (1, 2)
    )
    assert not b.receive(1, two).late
    assert not b.receive(1, one).late


def test_nonces() -> None:
    for nonce in (b"", bytes(16), b"x" * 15):
        with pytest.raises(ValueError, match="nonce"):
            Conversation(KEY, A, B, nonce)


class Wiretap:
    """An attacker who records every packet, and drops, delays and repeats them at will."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.starts = 0
        self.ends = {node: self.start(node) for node in (A, B)}
        self.recorded: list[tuple[bytes, bytes]] = []  # to whom, what
        self.counted: set[tuple[bytes, int, bytes]] = set()  # by whom, by which start, what

    def start(self, node: bytes) -> Conversation:
        self.starts += 1
        return start(node, other(node), self.starts)

    def send(self, node: bytes, echo: Challenge | None = None) -> bytes:
        data = self.ends[node].packet(1, STATUS, echo=echo)
        self.recorded.append((other(node), data))
        return data

    def hand(self, node: bytes, data: bytes) -> Heard | None:
        """What the node makes of it; it must not count a packet twice."""
        try:
            heard = self.ends[node].receive(1, data)
        except Stale as stale:
            self.send(node, stale.challenge)
            return None
        except Rejected:
            return None
        key = (node, id(self.ends[node]), data)
        assert key not in self.counted
        self.counted.add(key)
        assert heard.packet.echo.nonce == self.ends[node]._challenge.nonce
        return heard

    def step(self) -> None:
        chance = self.random.random()
        node = self.random.choice((A, B))
        if chance < 0.04:
            self.ends[node] = self.start(node)
        elif chance < 0.4 or not self.recorded:
            self.send(node)
        else:
            recent = self.recorded[-5:] if chance < 0.8 else self.recorded
            self.hand(*self.random.choice(recent))


def other(node: bytes) -> bytes:
    return B if node == A else A


def exchange(tap: Wiretap, nodes: Iterable[bytes]) -> None:
    for node in nodes:
        say(tap.send(node), tap.ends[node], tap.ends[other(node)])


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_repeated_counts_once_and_both_recover(seed: int) -> None:
    tap = Wiretap(seed)
    for _ in range(150):
        tap.step()
    exchange(tap, (A, B))  # one round without loss is enough
    for node in (A, B):
        heard = tap.hand(other(node), tap.send(node))
        assert heard is not None
        assert not heard.late
    replays = list(tap.recorded)
    tap.random.shuffle(replays)
    state = [tap.ends[node]._challenge for node in (A, B)]
    for node, data in replays:
        tap.hand(node, data)  # may count a packet never heard so far, but never moves anybody
    assert [tap.ends[node]._challenge for node in (A, B)] == state
    for node in (A, B):
        assert tap.hand(other(node), tap.send(node)) is not None
