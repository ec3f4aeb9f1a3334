"""Headers of the PROXY protocol: what a balancer writes, and that smtpd reads the same."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.balance.proxy import LOCAL, header
from appliance.config.units import Address
from appliance.smtpd.proxy import BadHeader, Balancers, Header, read_header

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
PORTS = st.integers(0, 65535)
ADDRESSES = st.ip_addresses().filter(lambda one: not getattr(one, "ipv4_mapped", None))


def test_the_bytes_of_the_specification() -> None:
    wanted = "2111000cc0000207c000020a9c400019"  # version 2 PROXY, TCP over IPv4, 12 bytes
    assert header(("192.0.2.7", 40000), ("192.0.2.10", 25)) == SIGNATURE + bytes.fromhex(wanted)
    v6 = header(("2001:db8::7%eth0", 1), ("2001:db8::10", 2))
    assert v6[12:16] == bytes.fromhex("21210024")
    assert v6[16:] == (
        ipaddress.IPv6Address("2001:db8::7").packed
        + ipaddress.IPv6Address("2001:db8::10").packed
        + b"\0\1\0\2"
    )
    assert bytes.fromhex("20000000") == LOCAL[12:]


def test_an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_client() -> None:
    mapped = header(("::ffff:192.0.2.7", 40000), ("::ffff:192.0.2.10", 25))
    assert mapped == header(("192.0.2.7", 40000), ("192.0.2.10", 25))


@given(client=ADDRESSES, port=PORTS, rest=st.binary(max_size=20), data=st.data())
def test_what_is_written_is_read(
    client: Address, port: int, rest: bytes, data: st.DataObject
) -> None:
    reached = "192.0.2.10" if client.version == 4 else "2001:db8::10"
    told = header((str(client), port), (reached, 25))
    assert read_header(told + rest) == Header(str(client), len(told))
    cut = data.draw(st.integers(0, len(told) - 1))
    assert read_header(told[:cut]) is None


def test_a_check_names_nobody() -> None:
    assert read_header(LOCAL) == Header(None, 16)
    # A receiver must ignore what a LOCAL header says besides.
    assert read_header(SIGNATURE + b"\x20\x11\0\x0c" + b"x" * 12) == Header(None, 28)


TCP4 = bytes.fromhex("c0000207c000020a9c400019")


@pytest.mark.parametrize(
    "body, what",
    [
        (b"\x21\x11\0\x0b" + TCP4[:11], "cut short"),
        (b"\x21\x21\0\x0c" + TCP4, "cut short"),
        (b"\x21\x00\0\x0c" + TCP4, "not TCP over IP"),  # UNSPEC
        (b"\x21\x12\0\x0c" + TCP4, "not TCP over IP"),  # UDP
        (b"\x21\x31\0\xd8" + b"/" * 216, "not TCP over IP"),  # a Unix socket
        (b"\x11\x11\0\x0c" + TCP4, "unknown"),  # version 1
        (b"\x22\x11\0\x0c" + TCP4, "unknown"),  # a third command
        (b"\x21\x11\x04\x01", "too many"),
        (b"\x21\x11\0\x0d" + TCP4 + b"\x04", "cut short"),
        (b"\x21\x11\0\x10" + TCP4 + b"\x04\0\2x", "longer"),
    ],
)
def test_what_cannot_be_obeyed(body: bytes, what: str) -> None:
    with pytest.raises(BadHeader, match=what):
        read_header(SIGNATURE + body)


def test_additions_are_passed_over() -> None:
    told = SIGNATURE + b"\x21\x11\0\x13" + TCP4 + b"\x04\0\1x\x05\0\0"
    assert read_header(told) == Header("192.0.2.7", len(told))


@given(st.binary(max_size=64))
def test_anything_else_is_refused_or_waited_for(tail: bytes) -> None:
    for start in (b"", SIGNATURE, SIGNATURE + b"\x21"):
        received = start + tail
        try:
            found = read_header(received)
        except BadHeader:
            continue
        if found is None:
            assert SIGNATURE.startswith(received[:12])
        else:
            assert received.startswith(SIGNATURE)
            assert len(received) >= found.size


def test_who_is_trusted() -> None:
    balancers = Balancers(
        (ipaddress.ip_network("192.0.2.8/30"), ipaddress.ip_network("2001:db8::1"))
    )
    assert balancers.trust("192.0.2.11")
    assert balancers.trust("::ffff:192.0.2.11")
    assert balancers.trust("2001:db8::1")
    assert not balancers.trust("192.0.2.12")
    assert not balancers.trust("2001:db8::2")
    assert not Balancers(()).trust("127.0.0.1")
