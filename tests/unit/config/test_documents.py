"""node.toml and site.toml: what is accepted, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from appliance.config import ConfigError, Problem, load_node, load_site, open_layout
from appliance.config.document import parse
from appliance.config.node import NodeSettings
from appliance.config.site import SiteSettings
from appliance.mail.retry import RetrySchedule
from appliance.mail.route import Hold, Mailbox, NextHop, Smtp

NODE = """\
name = "a"
hostname = "a.site.test"

[smtp]
listen = ["127.0.0.11:2525", "127.0.0.10:2525"]

[http]
listen = ["127.0.0.11:2580"]
status = ["127.0.0.0/8"]

[link]
listen = "127.0.0.11:2526"
pairing = "127.0.0.11:2527"
peer = "127.0.0.12:2526"

[pair]
adopt_delay = "2m"
"""

SITE = """\
domains = ["site.test", "example.test"]
postmaster = "alice"

[users.alice]
[users.bob]
mailbox = "shared"
addresses = ["Bob@site.test"]

[relay]
networks = ["127.0.0.0/8"]

[retry]
longest = "1h"

[routes]
"*" = { transport = "smtp", next_hops = ["127.0.0.1:2600"] }
".away.test" = { transport = "hold" }
"""


def problems(text: str, wanted: type) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        parse(text, wanted, "x.toml")
    return list(caught.value.problems)


def test_mail_and_keys_are_for_the_owner_only(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text(NODE)
    layout, _ = open_layout(tmp_path)
    layout.spool.mkdir()  # by a release that left it open
    layout.create()
    for private in (layout.keys, layout.spool, layout.run):
        assert private.stat().st_mode & 0o777 == 0o700


def test_node() -> None:
    node = parse(NODE, NodeSettings, "node.toml")
    assert node.smtp.listen[1].port == 2525
    assert node.pair.adopt_delay == 120_000
    assert node.pair.stale_wait == 600_000
    assert node.link.peer is not None
    assert node.link.peer.host == "127.0.0.12"


def test_site() -> None:
    site = parse(SITE, SiteSettings, "site.toml")
    assert site.mailboxes() == {
        "alice@site.test": "alice",
        "alice@example.test": "alice",
        "bob@site.test": "shared",
    }
    assert site.relay.networks == ("127.0.0.0/8",)
    assert site.retry.value() == RetrySchedule(longest=3_600_000)
    table = site.table()
    assert table.resolve("POSTMASTER").transport == Mailbox("alice")
    assert table.resolve("BOB@Site.Test").transport == Mailbox("shared")
    assert table.resolve("x@far.away.test").transport == Hold()
    assert table.resolve("x@else.test").transport == Smtp((NextHop("127.0.0.1", 2600),))


def test_no_network_is_trusted_by_default() -> None:
    assert parse('domains = ["site.test"]', SiteSettings, "site.toml").relay.networks == ()
    bare = NODE.replace('status = ["127.0.0.0/8"]\n', "")
    assert parse(bare, NodeSettings, "node.toml").http.status == ()


def test_unknown_key_names_the_nearest() -> None:
    (problem,) = problems(NODE.replace("adopt_delay", "adopt_dealy"), NodeSettings)
    assert (problem.key, problem.line) == ("pair.adopt_dealy", 17)
    assert problem.hint == "did you mean 'adopt_delay'?"
    assert str(problem) == "x.toml:17: pair.adopt_dealy: unknown key (did you mean 'adopt_delay'?)"


def test_a_word_that_is_none_names_the_nearest() -> None:
    (problem,) = problems(SITE.replace('"hold"', '"hodl"'), SiteSettings)
    assert (problem.key, problem.hint) == ('routes.".away.test".transport', "did you mean 'hold'?")


def test_unknown_key_far_from_all_lists_them() -> None:
    (problem,) = problems(SITE + "\n[zzzz]\nx = 1\n", SiteSettings)
    assert problem.hint.startswith("known here: domains, postmaster, users")


def test_all_mistakes_are_told_at_once() -> None:
    text = NODE.replace("127.0.0.12:2526", "127.0.0.12").replace("2m", "2 minutes")
    told = {problem.key: problem.line for problem in problems(text, NodeSettings)}
    assert told == {"link.peer": 14, "pair.adopt_delay": 17}


@pytest.mark.parametrize(
    "key, old, new",
    [
        ("smtp.listen[1]", "127.0.0.10:2525", "mail.site.test:2525"),
        ("link.peer", "127.0.0.12:2526", "b.site.test:2526"),
    ],
)
def test_a_node_is_told_addresses_for_it_asks_no_dns(key: str, old: str, new: str) -> None:
    (problem,) = problems(NODE.replace(old, new), NodeSettings)
    assert problem.key == key
    assert problem.what == f"{new.partition(':')[0]!r} is no IP address"
    assert "asks no DNS" in problem.hint


def test_mistake_inside_a_list_and_a_table_of_tables() -> None:
    (problem,) = problems(NODE.replace("127.0.0.10:2525", "127.0.0.10:x"), NodeSettings)
    assert (problem.key, problem.line) == ("smtp.listen[1]", 5)
    (problem,) = problems(SITE.replace(', next_hops = ["127.0.0.1:2600"]', ""), SiteSettings)
    assert (problem.key, problem.line) == ('routes."*"', 16)
    assert "next_hops" in problem.hint


@pytest.mark.parametrize(
    "old, new, told",
    [
        ('domains = ["site.test", "example.test"]', "domains = []", "needs a domain"),
        ('"Bob@site.test"', '"bob@elsewhere.test"', "none of the site's domains"),
        ('"Bob@site.test"', '"alice@site.test"', "already belongs to 'alice'"),
        ('".away.test"', '"@away.test"', "Bad address syntax"),
        ('".away.test"', '"a b"', "no domain name"),
        ('transport = "hold"', 'transport = "pigeon"', "pigeon"),
        ('transport = "hold"', 'transport = "hold", mx = true', "mx means nothing"),
        ('next_hops = ["127.0.0.1:2600"]', 'mx = true, next_hops = ["127.0.0.1:26"]', "either"),
        (
            '".away.test" = { transport = "hold"',
            'postmaster = { transport = "smtp"',
            "needs a next",
        ),
        ("[relay]", '[dns]\nservers = ["ns.test:53"]\n[relay]', "no IP address"),
        ('postmaster = "alice"', "postmaster = 3", "expected a name"),
        ("[relay]", "[relay", "is not TOML"),
        ('".away.test" =', '"postmaster@site.test" =', "mail to postmaster"),
        ("[retry]", "[retry]\njitter = 2", "jitter"),
        ("[relay]", "[limits]\nmessage_size = 5\n[relay]", "message_size is below"),
        ("[relay]", "[delivery]\nconnections = 0\n[relay]", ">= 1"),
    ],
)
def test_what_a_site_may_not_say(old: str, new: str, told: str) -> None:
    assert told in str(problems(SITE.replace(old, new), SiteSettings)[0])


def test_a_missing_key_is_named() -> None:
    (problem,) = problems(NODE.replace('hostname = "a.site.test"\n', ""), NodeSettings)
    assert "hostname" in problem.what


def test_adoption_is_never_quicker_than_leases_are_renewed() -> None:
    (problem,) = problems(NODE.replace("2m", "4s"), NodeSettings)
    assert "adopt_delay must be at least 5s" in problem.what


def test_adoption_is_never_quicker_than_noticing_a_slow_link() -> None:
    (problem,) = problems(NODE.replace("2m", "5s"), NodeSettings)
    assert problem.key == "pair"


def test_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_node(tmp_path / "node.toml")
    (tmp_path / "site.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_site(tmp_path / "site.toml")
    (tmp_path / "node.toml").write_text(NODE + '\n[paths]\nrun = "/run/twinpost-a"\n')
    layout, node = open_layout(tmp_path)
    assert node.name == "a"
    assert str(layout.control_socket) == "/run/twinpost-a/control.sock"
    assert layout.spool == tmp_path / "spool"


def test_where_the_postmaster_has_its_mail_can_be_told_to_the_spool(tmp_path: Path) -> None:
    """It could not, as the setting was no plain string: delivery lost its spool for ever."""
    path = tmp_path / "site.toml"
    path.write_text('domains = ["site.test"]\npostmaster = "alice"\n[users.alice]\n')
    route = load_site(path).table().resolve("postmaster@site.test")
    assert msgspec.msgpack.encode(route.transport)
