"""How much TLS routes and pools ask of their next hops."""

from __future__ import annotations

import pytest

from appliance.config.document import ConfigError, parse
from appliance.config.site import SiteSettings
from appliance.mail.route import Mx, Route, Smtp, Tls, Transport


def route(settings: str, more: str = "") -> Route:
    text = f'domains = ["site.test"]\n[routes."*"]\n{settings}\n{more}'
    return parse(text, SiteSettings, "site.toml").table().resolve("x@else.test")


def levels(transport: Transport) -> set[Tls]:
    if isinstance(transport, Mx):
        return {transport.tls}
    assert isinstance(transport, Smtp)
    return {hop.tls for hop in transport.next_hops}


def test_a_route_may_use_tls_unless_it_says_more() -> None:
    plain = route('transport = "smtp"\nnext_hops = ["192.0.2.1:25"]')
    assert levels(plain.transport) == {Tls("may")}
    assert plain.destination == "192.0.2.1:25"


def test_levels_and_names() -> None:
    checked = route(
        'transport = "smtp"\nnext_hops = ["192.0.2.1:25"]\ntls = "verify"\ntls_name = "mx.test"'
    )
    (tls,) = levels(checked.transport)
    assert tls == Tls("verify", "mx.test")
    assert type(tls.name) is str  # ssl takes no other
    assert checked.destination == "192.0.2.1:25 tls=verify:mx.test"
    assert route('transport = "smtp"\nmx = true\ntls = "encrypt"').destination == (
        "mx:else.test tls=encrypt"
    )


def test_a_pool_says_it_for_its_members() -> None:
    pool = '[pools.out]\ntls = "encrypt"\nmembers = [{ address = "192.0.2.1:25" }]'
    found = route('transport = "smtp"\npool = "out"', pool)
    assert levels(found.transport) == {Tls("encrypt")}


@pytest.mark.parametrize(
    "settings, why",
    [
        ('transport = "smtp"\nnext_hops = ["192.0.2.1:25"]\ntls = "verfy"', "tls"),
        (
            'transport = "smtp"\nnext_hops = ["192.0.2.1:25"]\ntls_name = "mx.test"',
            'tls_name means nothing to tls = "may"',
        ),
        ('transport = "discard"\ntls = "verify"', "tls means nothing"),
        ('transport = "smtp"\npool = "out"\ntls = "verify"', "tls stands in the pool"),
        ('transport = "smtp"\nmx = true\ntls = "verify"\ntls_name = "mx.test"', "mx and tls_name"),
    ],
)
def test_what_cannot_be_meant(settings: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        route(settings)
