"""DNS over real sockets: what is asked, what is remembered, what a missing answer means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.config.delivery import DnsSettings
from appliance.config.units import Duration
from appliance.delivery.lookup import Lookup, NoSuchName
from appliance.mail.mx import Exchanger
from appliance.mail.reply import Refused
from tests.support.nameserver import NEGATIVE_TTL, TTL, Nameserver, Zone

ZONE: Zone = {
    "to.test": {"MX": ["10 mx.to.test.", "0 MX2.to.test."], "A": ["192.0.2.9"]},
    "mx.to.test": {"A": ["192.0.2.1", "192.0.2.2"], "AAAA": ["2001:db8::1"]},
    "plain.test": {"A": ["192.0.2.3"]},
    "alias.test": {"CNAME": ["to.test."]},
    "null.test": {"MX": ["0 ."]},
    "many.test": {"MX": [f"{n} mail-host-number-{n}.many.test." for n in range(40)]},
    "broken.test": "SERVFAIL",
    "shut.test": "REFUSED",
    "silent.test": "silence",
}


class Now:
    seconds = 5.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def server() -> AsyncIterator[Nameserver]:
    async with Nameserver(ZONE) as server:
        yield server


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def lookup(server: Nameserver, now: Now) -> Lookup:
    return Lookup(server.settings, now)


async def test_exchangers(lookup: Lookup) -> None:
    found = await lookup.exchangers("to.test")
    assert sorted(found) == [Exchanger(0, "MX2.to.test"), Exchanger(10, "mx.to.test")]
    assert sorted(await lookup.exchangers("alias.test")) == sorted(found)
    assert await lookup.exchangers("plain.test") == []
    assert await lookup.exchangers("null.test") == [Exchanger(0, "")]


async def test_addresses(lookup: Lookup) -> None:
    assert set(await lookup.addresses("mx.to.test")) == {"192.0.2.1", "192.0.2.2", "2001:db8::1"}
    assert await lookup.addresses("null.test") == ()


async def test_an_answer_too_long_for_udp(server: Nameserver, lookup: Lookup) -> None:
    assert len(await lookup.exchangers("many.test")) == 40
    assert server.asked == ["MX many.test", "MX many.test tcp"]


async def test_names_that_do_not_exist(server: Nameserver, lookup: Lookup) -> None:
    for name in ("no.test", "x" * 64 + ".test", ".".join(["label"] * 60)):
        with pytest.raises(NoSuchName):
            await lookup.exchangers(name)
    assert server.asked == ["MX no.test"]


@pytest.mark.parametrize("name", ["broken.test", "shut.test"])
async def test_no_answer_is_for_a_while(server: Nameserver, lookup: Lookup, name: str) -> None:
    with pytest.raises(Refused) as refused:
        await lookup.exchangers(name)
    assert refused.value.reply.code == 451
    assert refused.value.reply.enhanced == "4.4.3"
    assert name in refused.value.reply.text
    server.zone[name] = {"MX": ["5 mx.to.test."]}
    assert await lookup.exchangers(name) == [Exchanger(5, "mx.to.test")]


async def test_silence(server: Nameserver, now: Now) -> None:
    settings = DnsSettings(servers=server.settings.servers, timeout=Duration(50))
    with pytest.raises(Refused) as refused:
        await Lookup(settings, now).exchangers("silent.test")
    assert refused.value.reply.enhanced == "4.4.3"


async def test_answers_are_kept_as_long_as_they_say(
    server: Nameserver, lookup: Lookup, now: Now
) -> None:
    for seconds, asked in ((0.0, 1), (TTL - 1.0, 1), (1.0, 2)):
        now.seconds += seconds
        await lookup.exchangers("to.test")
        assert server.asked == ["MX to.test"] * asked


async def test_a_no_is_kept_too(server: Nameserver, lookup: Lookup, now: Now) -> None:
    for seconds, asked in ((0.0, 1), (NEGATIVE_TTL - 1.0, 1), (1.0, 2)):
        now.seconds += seconds
        with pytest.raises(NoSuchName):
            await lookup.exchangers("no.test")
        assert server.asked == ["MX no.test"] * asked


async def test_the_next_server_is_asked(server: Nameserver, now: Now) -> None:
    async with Nameserver({"to.test": "SERVFAIL"}) as broken:
        both = (*broken.settings.servers, *server.settings.servers)
        lookup = Lookup(DnsSettings(servers=both), now)
        assert len(await lookup.exchangers("to.test")) == 2
        assert broken.asked == ["MX to.test"]


@pytest.mark.parametrize("text", [None, "", "search test\n", "nameserver nonsense\n"])
async def test_a_machine_without_name_servers(tmp_path: Path, now: Now, text: str | None) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    if text is not None:
        resolv_conf.write_text(text)
    with pytest.raises(Refused) as refused:
        await Lookup(DnsSettings(), now, resolv_conf).exchangers("to.test")
    assert refused.value.reply.enhanced == "4.4.3"
