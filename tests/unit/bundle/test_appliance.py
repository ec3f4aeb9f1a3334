"""A machine that is handed over keeps the addresses that somebody gave it, and no others."""

from __future__ import annotations

from bundle.appliance import network_files


def link(name: str, *addresses: tuple[str, int, str]) -> dict[str, object]:
    told = [{"local": a, "prefixlen": length, "scope": scope} for a, length, scope in addresses]
    return {"ifname": name, "addr_info": told}


def test_addresses_stay() -> None:
    found = network_files(
        [
            link("lo", ("127.0.0.1", 8, "host")),
            link("eth0", ("192.0.2.11", 24, "global"), ("fe80::1", 64, "link")),
            link("eth1"),
        ],
        "192.0.2.1",
    )
    assert list(found) == ["10-twinpost-eth0.network"]
    lines = found["10-twinpost-eth0.network"].splitlines()
    assert [one for one in lines if one.startswith(("Address", "Gateway", "Name"))] == [
        "Name=eth0",
        "Address=192.0.2.11/24",
        "Gateway=192.0.2.1",
    ]


def test_without_addresses_there_is_nothing_to_keep() -> None:
    assert network_files([link("lo", ("127.0.0.1", 8, "host"))], "192.0.2.1") == {}
