"""Durations, sizes, endpoints, networks and names as people write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.units import (
    UNITS,
    AddressWithPrefix,
    Duration,
    Endpoint,
    Hostname,
    InterfaceName,
    LocalName,
    Network,
    Size,
    Unit,
    Wrong,
)


@pytest.mark.parametrize(
    "text, milliseconds",
    [("300ms", 300), ("90s", 90_000), ("10m", 600_000), ("2 h", 7_200_000), ("5d", 432_000_000)],
)
def test_duration(text: str, milliseconds: int) -> None:
    assert Duration.parse(text) == milliseconds


@pytest.mark.parametrize("value", [10, "10", "10 parsecs", "-1s", "1.5s", "", None, True])
def test_duration_needs_a_number_and_a_unit(value: object) -> None:
    with pytest.raises(Wrong) as caught:
        Duration.parse(value)
    assert "90s" in caught.value.hint


@given(st.integers(min_value=0, max_value=10**12))
def test_duration_and_size_read_back_what_they_print(number: int) -> None:
    assert Duration.parse(str(Duration(number))) == number
    assert Size.parse(str(Size(number))) == number


def test_spelled_with_the_largest_whole_unit() -> None:
    assert str(Duration(90_000)) == "90s"
    assert str(Duration(7_200_000)) == "2h"
    assert str(Duration(0)) == "0ms"
    assert str(Size(50 << 20)) == "50MiB"
    assert str(Size(1000)) == "1000"


@pytest.mark.parametrize(
    "text, host, port",
    [
        ("127.0.0.1:25", "127.0.0.1", 25),
        ("[::1]:2525", "::1", 2525),
        ("mx.a.test:0", "mx.a.test", 0),
    ],
)
def test_endpoint(text: str, host: str, port: int) -> None:
    endpoint = Endpoint.parse(text)
    assert (endpoint.host, endpoint.port) == (host, port)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", ":25", "::1:25", "127.0.0.300:25", "a:65536", "a:²", "a b:25", "[x]:1"]
)
def test_no_endpoint(text: str) -> None:
    with pytest.raises(Wrong):
        Endpoint.parse(text)


def test_network() -> None:
    assert Network.parse("127.0.0.0/8").network.prefixlen == 8
    with pytest.raises(Wrong, match="host bits"):
        Network.parse("127.0.0.1/8")


def test_address_with_prefix() -> None:
    for text, address, prefix in [
        ("192.0.2.10/24", "192.0.2.10", 24),
        ("192.0.2.10", "192.0.2.10", 32),
        ("2001:db8::10/64", "2001:db8::10", 64),
        ("::1", "::1", 128),
    ]:
        one = AddressWithPrefix.parse(text)
        assert (str(one.address), one.prefix) == (address, prefix)
    for text in ("", "192.0.2.10/33", "192.0.2/24", "mail.test", "::1/"):
        with pytest.raises(Wrong):
            AddressWithPrefix.parse(text)


def test_names() -> None:
    assert Hostname.parse("Mail.Site.TEST") == "mail.site.test"
    assert Hostname.parse("bücher.example") == "bücher.example"
    assert LocalName.parse("node-a") == "node-a"
    assert InterfaceName.parse("enp0s31f6.100") == "enp0s31f6.100"
    for text in ("-a.test", "a..test", "", "a test", "x" * 64 + ".test", "evil\x1b.test"):
        with pytest.raises(Wrong):
            Hostname.parse(text)
    for text in ("", "a/b", "..", "x" * 16, "a b", "a:1", "\x1b"):
        with pytest.raises(Wrong):
            InterfaceName.parse(text)
    for text in ("", "A", "../up", "a/b", "..", "a..b", ".a"):
        with pytest.raises(Wrong):
            LocalName.parse(text)


@given(st.sampled_from(UNITS), st.text() | st.integers() | st.none() | st.lists(st.text()))
def test_nothing_but_wrong_is_raised(unit: type[Unit], value: object) -> None:
    with contextlib.suppress(Wrong):
        unit.parse(value)
