"""The wire: what is sealed comes back, anything else changes nothing and has its reason."""

from __future__ import annotations

import hmac
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.failover.advertisement import (
    SIZE,
    Advertisement,
    Challenge,
    Packet,
    PairMode,
    Rejected,
    Rejection,
    Sender,
    Status,
    seal,
    unseal,
)
from appliance.replica.pair import Mode

KEY = b"k" * 32
NODE = b"node-one"
CHALLENGE, ECHO = Challenge(b"n" * 16, 3), Challenge(b"e" * 16, 4)
ADVERTISEMENT = Advertisement(7, 200, 10, Sender(IPv4Address("192.0.2.1"), NODE))
PACKET = Packet(1, NODE, CHALLENGE, ECHO, 5, Status(PairMode.PAIRED, 6, True), ADVERTISEMENT)

nonces = st.binary(min_size=16, max_size=16)
challenges = st.builds(Challenge, nonces, st.integers(0, 2**32 - 1))
addresses = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6).filter(lambda a: isinstance(a, IPv6Address) and not a.ipv4_mapped),
)


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    node = draw(st.binary(min_size=8, max_size=8))
    said = st.builds(
        Advertisement,
        st.integers(1, 255),
        st.integers(0, 255),
        st.integers(1, 4095),
        st.builds(Sender, addresses, st.just(node)),
    )
    status = st.builds(Status, st.sampled_from(PairMode), st.integers(0, 2**32 - 1), st.booleans())
    return Packet(
        draw(st.integers(0, 255)),
        node,
        draw(challenges),
        draw(challenges),
        draw(st.integers(0, 2**64 - 1)),
        draw(status),
        draw(st.none() | said),
    )


def reason(data: bytes, key: bytes = KEY) -> Rejection:
    with pytest.raises(Rejected) as caught:
        unseal(data, key)
    return caught.value.reason


@given(packets(), st.binary(min_size=32, max_size=32))
def test_round_trip(packet: Packet, key: bytes) -> None:
    data = seal(packet, key)
    assert len(data) == SIZE
    assert unseal(data, key) == packet


def test_every_bit_counts() -> None:
    data = seal(PACKET, KEY)
    for bit in range(SIZE * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert reason(bytes(changed)) is (Rejection.FOREIGN if bit < 32 else Rejection.FORGED)


def test_every_length_but_one() -> None:
    data = seal(PACKET, KEY)
    assert {reason(data[:length]) for length in range(SIZE)} == {Rejection.LENGTH}
    assert reason(data + b"\0") is Rejection.LENGTH


@given(st.binary(max_size=2 * SIZE) | st.binary(min_size=SIZE, max_size=SIZE))
def test_noise(data: bytes) -> None:
    assert reason(data) in (Rejection.LENGTH, Rejection.FOREIGN, Rejection.FORGED)


def test_the_key_of_another_pair() -> None:
    assert reason(seal(PACKET, KEY), b"K" * 32) is Rejection.FORGED


@pytest.mark.parametrize("at, value", [(SIZE - 32 - 26, b"\x03"), (SIZE - 32 - 18, b"\0\0")])
def test_our_key_but_another_version(at: int, value: bytes) -> None:
    """An unknown mode, an interval of zero: made with the key, and yet not to be acted upon."""
    body = seal(PACKET, KEY)[:-32]
    body = body[:at] + value + body[at + len(value) :]
    assert reason(body + hmac.digest(KEY, body, "sha256")) is Rejection.FOREIGN


def test_more_exposed_than_can_be_said() -> None:
    packet = Packet(1, NODE, CHALLENGE, ECHO, 5, Status(PairMode.SOLO, 2**40))
    assert unseal(seal(packet, KEY), KEY).status.exposed == 2**32 - 1


def test_modes_are_those_of_replication() -> None:
    assert [mode.value for mode in PairMode] == [mode.value for mode in Mode]
