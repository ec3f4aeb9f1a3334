"""Routes: the most exact key decides, own domains never leak, postmaster always works."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.route import (
    NO_ROUTE,
    NO_USER,
    Discard,
    Hold,
    Mailbox,
    NextHop,
    Routes,
    Smtp,
    Transport,
)


def smtp(host: str) -> Smtp:
    return Smtp((NextHop(host),))


TRANSPORTS: dict[str, Transport] = {
    "*": smtp("relay"),
    "partner.example": smtp("partner"),
    ".partner.example": smtp("below"),
    ".lab.partner.example": Hold(),
    "boss@partner.example": Smtp((NextHop("one"), NextHop("2001:db8::1", 2525))),
    "noreply@site.test": Discard(),
    "old.test": smtp("old"),
    "müller.example": smtp("umlaut"),
}
ROUTES = Routes(
    ["Site.Test", "old.test"],
    {
        "ann@site.test": "ann",
        "Ann@old.test": "ann",
        "abuse@old.test": "security",
        '"a b"@site.test': "ab",
        "jörg@site.test": "joerg",
        "odd%name@site.test": "odd",
    },
    "root",
    TRANSPORTS,
)


@pytest.mark.parametrize(
    "address, transport",
    [
        ("ann@site.test", Mailbox("ann")),
        ("ANN@SITE.TEST", Mailbox("ann")),
        ('"ann"@site.test', Mailbox("ann")),
        ('"A\\ b"@site.test', Mailbox("ab")),
        ("JO\u0308RG@site.test", Mailbox("joerg")),
        ("noreply@site.test", Discard()),
        ("nobody@site.test", NO_USER),
        ("ann@x.site.test", smtp("relay")),
        ("ann%partner.example@site.test", NO_USER),
        ("partner.example!ann@site.test", NO_USER),
        ('"ann@partner.example"@site.test', NO_USER),
        ("odd%name@site.test", Mailbox("odd")),
        ("ann@old.test", Mailbox("ann")),
        ("nobody@old.test", smtp("old")),
        ("postmaster", Mailbox("root")),
        ("PostMaster", Mailbox("root")),
        ("Postmaster@site.test", Mailbox("root")),
        ("abuse@site.test", Mailbox("root")),
        ("abuse@old.test", Mailbox("security")),
        ("x@partner.example", smtp("partner")),
        ("x@Partner.Example.", smtp("partner")),
        ("x@a.partner.example", smtp("below")),
        ("x@a.b.partner.example", smtp("below")),
        ("x@a.lab.partner.example", Hold()),
        ("x@lab.partner.example", smtp("below")),
        ("x@notpartner.example", smtp("relay")),
        ("x@example", smtp("relay")),
        ("Boss@partner.example", TRANSPORTS["boss@partner.example"]),
        ("x@XN--MLLER-KVA.example", smtp("umlaut")),
        ("x@[192.0.2.1]", smtp("relay")),
    ],
)
def test_resolve(address: str, transport: Transport) -> None:
    assert ROUTES.resolve(address).transport == transport


@pytest.mark.parametrize(
    "address, destination",
    [
        ("ann@site.test", "mailbox"),
        ("x@partner.example", "partner:25"),
        ("boss@partner.example", "one:25,[2001:db8::1]:2525"),
        ("noreply@site.test", "discard"),
        ("x@a.lab.partner.example", "hold"),
        ("nobody@site.test", "bounce"),
    ],
)
def test_destinations(address: str, destination: str) -> None:
    assert ROUTES.resolve(address).destination == destination


@pytest.mark.parametrize(
    "address, may",
    [
        ("ann@site.test", True),
        ("nobody@site.test", True),  # gets its own refusal: 550 5.1.1
        ("postmaster", True),
        ("nobody@old.test", True),
        ("odd%name@site.test", True),
        ("user%evil.example@site.test", True),
        ("user%evil.example@old.test", False),  # the next hop might follow it
        ("evil.example!user@old.test", False),
        ('"user@evil.example"@old.test', False),
        ("x@partner.example", False),
        ("x@relay.example", False),
        ("ann@site.test.evil.example", False),
        ("ann@x.site.test", False),
        ("ann@[127.0.0.1]", False),
        ('"ann@site.test"@evil.example', False),
        ("ann%site.test@evil.example", False),
    ],
)
def test_strangers_reach_the_site_only(address: str, may: bool) -> None:
    assert ROUTES.open_to_all(address) is may


def test_a_domain_is_uniform_if_no_address_of_it_goes_elsewhere() -> None:
    keys = ["other.example", "a.partner.example", "xn--mller-kva.example"]
    assert all(ROUTES.uniform(key) for key in keys)
    assert not any(ROUTES.uniform(key) for key in ["partner.example", "site.test", "old.test"])


def test_without_default_there_is_no_way_out() -> None:
    routes = Routes(["site.test"], {}, "root", {})
    route = routes.resolve("x@elsewhere.example")
    assert route.transport == NO_ROUTE
    assert NO_ROUTE.reply.permanent
    assert NO_USER.reply.permanent


def test_own_subdomain_key_is_not_for_the_domain_itself() -> None:
    routes = Routes(["site.test"], {}, "root", {".test": smtp("x"), "*": smtp("y")})
    assert routes.resolve("nobody@site.test").transport == NO_USER
    assert routes.resolve("a@b.test").transport == smtp("x")


@pytest.mark.parametrize(
    "key, transport",
    [
        ("x.example", Smtp(())),
        ("x.example", smtp("self")),
        ("x.example", Smtp((NextHop("other"), NextHop("self")))),
        ("postmaster@site.test", Discard()),
        ("Postmaster", Hold()),
    ],
)
def test_tables_that_cannot_be_meant(key: str, transport: Transport) -> None:
    with pytest.raises(ValueError, match="route"):
        Routes(["site.test"], {}, "root", {key: transport}, [NextHop("self")])


def test_mailboxes_belong_to_own_domains() -> None:
    with pytest.raises(ValueError, match="none of the site's domains"):
        Routes(["site.test"], {"a@elsewhere.test": "a"}, "root", {})


def test_postmaster_may_have_a_route_of_its_own() -> None:
    routes = Routes(["site.test"], {}, "root", {"postmaster@site.test": smtp("desk")})
    assert routes.resolve("postmaster@site.test").transport == smtp("desk")
    assert routes.resolve("postmaster").transport == Mailbox("root")


NAME = st.text('ab.%!@"-', min_size=1, max_size=6)


@given(NAME, NAME)
def test_every_text_resolves_and_own_domains_stay_at_home(local: str, domain: str) -> None:
    ROUTES.resolve(f"{local}@{domain}")
    inside = ROUTES.resolve(f"{local}@site.test").transport
    assert inside == NO_USER
    assert not ROUTES.open_to_all(f"{local}@site.test@{domain}")
