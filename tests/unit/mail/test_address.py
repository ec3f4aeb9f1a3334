"""Paths: what is let in, what it means, and that no spelling fools a comparison."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.mail import address
from appliance.mail.reply import Refused

GOOD = [
    ("<a@b.c>", "a@b.c", ""),
    (" <a@b.c>", "a@b.c", ""),
    ("<a@b.c> SIZE=1 BODY=7BIT", "a@b.c", "SIZE=1 BODY=7BIT"),
    ("<a@b.c>   SIZE=1", "a@b.c", "SIZE=1"),
    ("<Some.User+tag@Mail.Example>", "Some.User+tag@Mail.Example", ""),
    ("<user@localhost>", "user@localhost", ""),
    ("<user@my_host.example>", "user@my_host.example", ""),
    ("<!#$%&'*+/=?^_`{|}~-@x.example>", "!#$%&'*+/=?^_`{|}~-@x.example", ""),
    ('<"a b"@x.example>', '"a b"@x.example', ""),
    ('<"a@b"@x.example>', '"a@b"@x.example', ""),
    ('<"a>b"@x.example> SIZE=2', '"a>b"@x.example', "SIZE=2"),
    ('<"\\"\\\\"@x.example>', '"\\"\\\\"@x.example', ""),
    ('<""@x.example>', '""@x.example', ""),
    ("<a@[127.0.0.1]>", "a@[127.0.0.1]", ""),
    ("<a@[IPv6:::1]>", "a@[IPv6:::1]", ""),
    ("<@one.example,@two.example:a@b.example>", "a@b.example", ""),
    ("<@[10.0.0.1]:a@b.example>", "a@b.example", ""),
    ("<>", "", ""),
    ("<> SIZE=3", "", "SIZE=3"),
    ("<postmaster>", "postmaster", ""),
    ("<PostMaster>", "PostMaster", ""),
    (f"<{'a' * 65}@x.example>", f"{'a' * 65}@x.example", ""),
    (f"<{'a' * 250}@c.d>", f"{'a' * 250}@c.d", ""),
    (f"<a@{'b' * 63}.example>", f"a@{'b' * 63}.example", ""),
    ("<user%other@site.test>", "user%other@site.test", ""),
    ("<other!user@site.test>", "other!user@site.test", ""),
    ("<a@xn--mller-kva.example>", "a@xn--mller-kva.example", ""),
]

BAD = [
    "",
    " ",
    "a@b.c",
    "<a@b.c",
    "a@b.c>",
    "<a@b.c>SIZE=1",
    "<a@b.c>>",
    "<<a@b.c>>",
    "< a@b.c>",
    "<a@b.c >",
    "< >",
    "<a>",
    "<user%b.c>",
    "<other!user>",
    "<@b.c>",
    "<a@>",
    "<@>",
    "<a@b@c>",
    "<a@b.c.>",
    "<a@.b.c>",
    "<a@b..c>",
    "<a.@b.c>",
    "<.a@b.c>",
    "<a..b@c>",
    "<a@-b.c>",
    "<a@b-.c>",
    "<a b@c>",
    "<a(x)@b.c>",
    "<a@b.c(x)>",
    "<a,b@c.d>",
    "<a:b@c.d>",
    '<"a"b@c.d>',
    '<"a@b.c>',
    '<"a"@b.c',
    '<"a\\"@b.c>',
    '<"postmaster">',
    '<"a@b">',
    "<a@[]>",
    "<a@[127.0.0.01]>",
    "<a@[127.0.0.256]>",
    "<a@[127.1]>",
    "<a@[::1]>",
    "<a@[IPv6:1::2::3]>",
    "<a@[IPv6:fe80::1%eth0]>",
    "<a@[x:y]>",
    "<a@[127.0.0.1>",
    "<a@127.0.0.1]>",
    "<@one.example a@b.c>",
    "<@one.example,:a@b.c>",
    "<@one.example:>",
    f"<a@{'b' * 64}.example>",
    f"<{'a' * 251}@c.d>",  # 257 octets with the brackets
    f'<"{"a" * 249}"@c.d>',
    "<a@b.c\n>",
    "<a@b.c>\n",
    "<a@b.c>\r\nRCPT",
    "<a\x00@b.c>",
    "<a\x7f@b.c>",
    "\t<a@b.c>",
    "<a@b.c>\tSIZE=1",
]


@pytest.mark.parametrize("argument, path, rest", GOOD)
def test_good_paths(argument: str, path: str, rest: str) -> None:
    assert address.parse_path(argument, False) == (path, rest)
    assert address.parse_path(argument, True) == (path, rest)


@pytest.mark.parametrize("argument", BAD)
@pytest.mark.parametrize("smtputf8", [False, True])
def test_bad_paths_get_501_with_the_status_of_their_command(argument: str, smtputf8: bool) -> None:
    with pytest.raises(Refused) as refused:
        address.parse_forward_path(argument, smtputf8)
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (501, "5.1.3")
    with pytest.raises(Refused) as refused:
        address.parse_reverse_path(argument, smtputf8)
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (501, "5.1.7")


INTERNATIONAL = [
    "jörg@example.org",
    "用户@例子.example",
    "a@müller.example",
    "a@Müller.example",
    "a@straße.example",
    '"jö rg"@example.org',
    "نامه\u200cای@example.org",
    "😀@example.org",
]


@pytest.mark.parametrize("path", INTERNATIONAL)
def test_international_addresses_need_smtputf8(path: str) -> None:
    assert address.parse_path(f"<{path}> SIZE=1", True) == (path, "SIZE=1")
    with pytest.raises(Refused) as refused:
        address.parse_path(f"<{path}>", False)
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (553, "5.6.7")


@pytest.mark.parametrize(
    "path",
    [
        "a@b。c",  # ideographic full stop: a dot to some, a letter to others
        "a@b．c",
        "a@ｂ.c",  # fullwidth letters
        "a@\u200d.c",
        "a@xn--mller-kva\u00ad.example",
        "a@ü..c",
        "a@ü.c.",
        "a@ü-.c",
        "a\u202eb@c.d",  # right-to-left override
        "a\u0085@c.d",
        "a\u2028@c.d",
        "a\u00a0b@c.d",
        "a\u200b@c.d",
        "a\ufeff@c.d",
        "a\udcff@c.d",
        "a\uffff@c.d",
        "é" * 126 + "@c.d",  # 256 octets
        "a@" + "ü" * 80,
    ],
)
def test_unfit_international_addresses(path: str) -> None:
    with pytest.raises(Refused) as refused:
        address.parse_path(f"<{path}>", True)
    assert refused.value.reply.code == 501


def test_length_counts_octets() -> None:
    longest = "é" * 125 + "@c.d"  # 254 octets, 256 with the brackets
    assert address.parse_path(f"<{longest}>", True) == (longest, "")


def test_null_and_domainless_by_command() -> None:
    assert address.parse_reverse_path("<> RET=HDRS", False) == ("", "RET=HDRS")
    assert address.parse_forward_path("<postmaster>", False) == ("postmaster", "")
    with pytest.raises(Refused):
        address.parse_forward_path("<>", False)
    with pytest.raises(Refused):
        address.parse_reverse_path("<postmaster>", False)


def test_plain_addresses() -> None:
    assert address.parse_address("Ann@Site.Test") == "Ann@Site.Test"
    for text in ("", "<a@b.c>", "a@b.c> SIZE=1", " a@b.c", "a@b.c ", "@x:a@b.c", "a@b.c\n"):
        with pytest.raises(Refused):
            address.parse_address(text)


def test_split() -> None:
    assert address.split("a@b.c") == ("a", "b.c")
    assert address.split('"a@b"@c') == ('"a@b"', "c")
    assert address.split("postmaster") == ("postmaster", "")


@pytest.mark.parametrize(
    "one, key",
    [
        ("a@Site.TEST", "site.test"),
        ("a@site.test.", "site.test"),
        ("postmaster", ""),
        ('"x@evil.example"@site.test', "site.test"),
        ("a@MÜLLER.example", "xn--mller-kva.example"),
        ("a@mu\u0308ller.example", "xn--mller-kva.example"),
        ("a@XN--MLLER-KVA.example", "xn--mller-kva.example"),
        ("a@[IPv6:0:0::1]", "[ipv6:::1]"),
        ("a@[ipv6:::1]", "[ipv6:::1]"),
        ("a@[127.0.0.1]", "[127.0.0.1]"),
        ("a@[nonsense]", "[nonsense]"),
        ("a@ü。x", "ü。x"),  # no domain we would let in: still a key
    ],
)
def test_domain_key(one: str, key: str) -> None:
    assert address.domain_key(one) == key


@pytest.mark.parametrize(
    "one, other",
    [
        ("Ann@Site.Test", "ann@site.test"),
        ('"ann"@site.test', "ann@site.test"),
        ('"a\\nn"@site.test', "ann@site.test"),
        ('"a b"@site.test', '"A\\ B"@site.test'),
        ("JÖRG@site.test", "jo\u0308rg@site.test"),
        ("Postmaster", "postmaster"),
        ("a@müller.example", "A@XN--MLLER-KVA.example"),
    ],
)
def test_same_mailbox(one: str, other: str) -> None:
    assert address.canonical(one) == address.canonical(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ('"a@b"@site.test', "a@b.site.test"),
        ('"a%b"@site.test', '"a@b"@site.test'),
        ("user@site.test", "user@site.test.evil"),
        ('"ann "@site.test', "ann@site.test"),
        ("postmaster", "postmaster@site.test"),
    ],
)
def test_different_mailboxes(one: str, other: str) -> None:
    assert address.canonical(one) != address.canonical(other)


def test_carries_route() -> None:
    for routed in ("a%b@c", "b!a@c", '"a@b"@c', '"a%b"@c'):
        assert address.carries_route(routed)
    for plain in ("a@c", "a+b=c@d", "postmaster"):
        assert not address.carries_route(plain)


LOCAL = st.one_of(
    st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z]{1,9})?", fullmatch=True),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(address.quote),
    st.text('abüßйñ用户.@\\" ', max_size=12).map(address.quote),
)
DOMAIN = st.one_of(
    st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,9}[A-Za-z0-9])?(\.[a-z]{1,9}){0,3}", fullmatch=True),
    st.sampled_from(["[127.0.0.1]", "[IPv6:2001:DB8::1]", "müller.example", "例子.EXAMPLE"]),
)
ADDRESS = st.builds("{}@{}".format, LOCAL, DOMAIN)


@given(ADDRESS)
def test_formatted_addresses_parse_to_themselves(one: str) -> None:
    assert address.parse_path(f"<{one}> SIZE=1", True) == (one, "SIZE=1")


@given(ADDRESS)
def test_canonical_is_idempotent_keeps_the_domain_and_stays_an_address(one: str) -> None:
    form = address.canonical(one)
    assert address.canonical(form) == form
    assert address.domain_key(form) == address.domain_key(one)
    assert address.parse_path(f"<{form}>", True) == (form, "")


@given(st.text(max_size=30))
def test_quote_and_unquote_are_inverse(content: str) -> None:
    assert address.unquote(address.quote(content)) == content


@given(st.text(max_size=80))
@example("<@a:@b>")
@example("<a@İ.x>")
@example("<K@K.x>")
def test_whatever_gets_in_is_harmless(argument: str) -> None:
    """Also for text that is no address: refused cleanly, or let in with one reading."""
    try:
        path, _ = address.parse_path(argument, True)
    except Refused:
        return
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in path)
    local, domain = address.split(path)
    assert local == path or (domain and not domain.endswith("."))
    assert "@" not in domain
    assert address.domain_key(path).isascii()


@given(st.text('<>@a."\\:,[]% é1', max_size=24))
def test_a_path_that_parses_parses_again_alone(argument: str) -> None:
    try:
        path, _ = address.parse_path(argument, True)
    except Refused:
        return
    assert address.parse_path(f"<{path}>", True) == (path, "")
