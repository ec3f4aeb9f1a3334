"""Frames byte for byte as tshark reads them, and what is heard from others."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.vip import arp, ndp
from appliance.vip.announce import announcements

HARDWARE = bytes.fromhex("0200c0000211")
IPV4 = IPv4Address("192.0.2.10")
IPV6 = IPv6Address("2001:db8::10")
SOURCE = IPv6Address("fe80::c0ff:fe00:211")
ETHERNET = 14
IP6 = 40

# "ARP Announcement for 192.0.2.10"
ANNOUNCEMENT = """
    ff ff ff ff ff ff  02 00 c0 00 02 11  08 06
    00 01 08 00 06 04 00 01
    02 00 c0 00 02 11  c0 00 02 0a
    00 00 00 00 00 00  c0 00 02 0a
"""
# "Gratuitous ARP for 192.0.2.10 (Reply)"
REPLY = """
    ff ff ff ff ff ff  02 00 c0 00 02 11  08 06
    00 01 08 00 06 04 00 02
    02 00 c0 00 02 11  c0 00 02 0a
    02 00 c0 00 02 11  c0 00 02 0a
"""
# "Who has 192.0.2.10? (ARP Probe)"
ARP_PROBE = """
    ff ff ff ff ff ff  02 00 c0 00 02 11  08 06
    00 01 08 00 06 04 00 01
    02 00 c0 00 02 11  00 00 00 00
    00 00 00 00 00 00  c0 00 02 0a
"""
# "Neighbor Advertisement 2001:db8::10 (ovr) is at 02:00:c0:00:02:11"
ADVERTISEMENT = """
    33 33 00 00 00 01  02 00 c0 00 02 11  86 dd
    60 00 00 00  00 20 3a ff
    20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 10
    ff 02 00 00 00 00 00 00 00 00 00 00 00 00 00 01
    88 00 36 fc  20 00 00 00
    20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 10
    02 01 02 00 c0 00 02 11
"""
# "Neighbor Solicitation for 2001:db8::10 from 02:00:c0:00:02:11"
SOLICITATION = """
    33 33 ff 00 00 10  02 00 c0 00 02 11  86 dd
    60 00 00 00  00 20 3a ff
    fe 80 00 00 00 00 00 00 00 00 c0 ff fe 00 02 11
    ff 02 00 00 00 00 00 00 00 00 00 01 ff 00 00 10
    87 00 c8 21  00 00 00 00
    20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 10
    01 01 02 00 c0 00 02 11
"""

hardware_addresses = st.binary(min_size=6, max_size=6)


def test_an_ipv4_address_is_announced_in_both_forms() -> None:
    expected = [bytes.fromhex(each) for each in (ANNOUNCEMENT, REPLY)]
    assert list(announcements(IPV4, HARDWARE)) == expected


def test_an_ipv6_address_is_advertised_to_all_nodes() -> None:
    assert announcements(IPV6, HARDWARE) == (bytes.fromhex(ADVERTISEMENT),)


def test_probes_turn_nobody_to_whoever_answers() -> None:
    assert arp.probe(IPV4, HARDWARE) == bytes.fromhex(ARP_PROBE)
    assert ndp.probe(IPV6, HARDWARE, SOURCE) == bytes.fromhex(SOLICITATION)


@pytest.mark.parametrize("golden", [ANNOUNCEMENT, REPLY])
def test_a_request_claims_an_address_as_much_as_a_reply(golden: str) -> None:
    assert arp.claim(bytes.fromhex(golden)[ETHERNET:]) == (IPV4, HARDWARE)


def test_a_probe_claims_nothing() -> None:
    assert arp.claim(bytes.fromhex(ARP_PROBE)[ETHERNET:]) is None
    assert ndp.claim(bytes.fromhex(SOLICITATION)[ETHERNET + IP6 :]) is None


def test_an_advertisement_claims_its_target() -> None:
    assert ndp.claim(bytes.fromhex(ADVERTISEMENT)[ETHERNET + IP6 :]) == (IPV6, HARDWARE)


@given(st.ip_addresses(v=4).filter(lambda address: int(address) > 0), hardware_addresses)
def test_what_arp_announces_is_heard(address: IPv4Address, hardware: bytes) -> None:
    announcement, reply = announcements(address, hardware)
    assert arp.claim(announcement[ETHERNET:]) == (address, hardware)
    assert arp.claim(reply[ETHERNET:]) == (address, hardware)


@given(st.ip_addresses(v=6), hardware_addresses)
def test_what_is_advertised_is_heard(address: IPv6Address, hardware: bytes) -> None:
    (advertisement,) = announcements(address, hardware)
    assert ndp.claim(advertisement[ETHERNET + IP6 :]) == (address, hardware)


@given(st.ip_addresses(v=6), hardware_addresses)
def test_the_checksum_makes_the_sum_of_all_words_vanish(
    address: IPv6Address, hardware: bytes
) -> None:
    for frame in (*announcements(address, hardware), ndp.probe(address, hardware, SOURCE)):
        message = frame[ETHERNET + IP6 :]
        covered = frame[ETHERNET + 8 : ETHERNET + IP6] + bytes([0, len(message), 0, 58]) + message
        words = (covered[n] << 8 | covered[n + 1] for n in range(0, len(covered), 2))
        assert sum(words) % 0xFFFF == 0  # RFC 1071: ones' complement, in which 0xFFFF is zero


@given(st.integers(0, 27))
def test_an_arp_packet_cut_short_says_nothing(length: int) -> None:
    assert arp.claim(bytes.fromhex(REPLY)[ETHERNET : ETHERNET + length]) is None


@pytest.mark.parametrize(
    "offset, value",
    [(1, 6), (3, 6), (4, 8), (5, 16), (7, 0), (7, 3)],
    ids=["hardware", "protocol", "hardware length", "address length", "no operation", "RARP"],
)
def test_other_arp_says_nothing(offset: int, value: int) -> None:
    packet = bytearray.fromhex(REPLY)[ETHERNET:]
    packet[offset] = value
    assert arp.claim(bytes(packet)) is None


def message(options: str) -> bytes:
    return bytes.fromhex(f"88000000 20000000 {IPV6.packed.hex()}") + bytes.fromhex(options)


@pytest.mark.parametrize(
    "options",
    [
        "",
        "02 01 02 00 c0 00 02",
        "02 00 02 00 c0 00 02 11",
        "02 02" + "00" * 14,
        "01 01" + "00" * 6,
    ],
    ids=["none", "cut short", "without end", "of another size", "another option"],
)
def test_an_advertisement_without_hardware_address_says_nothing(options: str) -> None:
    assert ndp.claim(message(options)) is None


def test_the_hardware_address_is_found_behind_other_options() -> None:
    assert ndp.claim(message("0e 02" + "00" * 14 + "02 01" + HARDWARE.hex())) == (IPV6, HARDWARE)


@given(st.binary(max_size=96))
def test_whatever_comes_is_survived(data: bytes) -> None:
    arp.claim(data)
    ndp.claim(data)
    ndp.claim(message("") + data)
