"""The site's policy as settings: what is refused, and what it says instead."""

from __future__ import annotations

import msgspec
import pytest

from appliance.config.document import ConfigError
from appliance.config.site_document import decoded, encoded
from appliance.mail.restrictions import Attempt

NAME = "site.toml"


def site(policy: object) -> bytes:
    return msgspec.json.encode({"domains": ["site.test"], "policy": policy})


@pytest.mark.parametrize(
    "policy, why",
    [
        ({"access": [{"action": "reject"}]}, "needs a condition"),
        ({"access": [{"action": "refuse", "sender": ["*"]}]}, "action"),
        ({"access": [{"action": "hold", "sender": ["*"], "text": "no"}]}, "nobody is told"),
        ({"access": [{"action": "reject", "sender": ["*"], "text": "a\r\n250 b"}]}, "one line"),
        ({"access": [{"action": "reject", "sender": ["a b@c.test"]}]}, "sender"),
        ({"access": [{"action": "reject", "sender": ["@c.test"]}]}, "c.test"),
        ({"access": [{"action": "reject", "recipient": ["<>"]}]}, "no mail goes to <>"),
        ({"access": [{"action": "reject", "helo": ["a@b.test"]}]}, "helo"),
        ({"access": [{"action": "reject", "client": ["192.0.2.1/24"]}]}, "host bits"),
        ({"denied_clients": ["everybody"]}, "everybody"),
        ({"greet_wait": "1m"}, "greet_wait"),
        ({"rates": {"messages_per_minute": 0}}, "messages_per_minute"),
        ({"rates": {"message_per_minute": 5}}, "messages_per_minute"),
        ({"verify": {"domains": ["a@b.test"]}}, "domains"),
        ({"verify": {"negative_ttl": "1ms"}}, "negative_ttl"),
        ({"verify": {"wait": "5m"}}, "wait"),
    ],
)
def test_what_cannot_be_meant(policy: object, why: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        decoded(site(policy), NAME)
    told = "\n".join(f"{one}" for one in wrong.value.problems)
    assert why in told


def test_what_is_said_is_what_is_done() -> None:
    policy = {
        "allowed_clients": ["192.0.2.0/25"],
        "denied_clients": ["192.0.2.0/24"],
        "access": [
            {"action": "defer", "sender": ["<>"], "recipient": ["noreply@"], "text": "Not here"},
            {"action": "permit", "user": ["ann"], "helo": [".site.test"]},
        ],
        "verify": {"domains": ["*"]},
    }
    settings = decoded(site(policy), NAME)
    assert decoded(encoded(settings), NAME) == settings
    made = settings.policy.restrictions(["site.test"], ["a.site.test"], lambda address: True)

    def said(client: str, sender: str, recipient: str, user: str = "") -> str:
        attempt = Attempt(client, "pc.site.test", sender, user, not user)
        decision = made.decide(attempt, recipient)
        return str(decision.reply) if decision else ""

    assert said("192.0.2.1", "", "noreply@site.test") == "450 4.7.1 Not here"
    assert said("192.0.2.1", "", "ann@site.test") == ""
    assert said("192.0.2.200", "", "ann@site.test").startswith("554 5.7.1 Client")
    assert said("192.0.2.200", "ann@site.test", "x@far.test", user="ann") == ""
    assert said("198.51.100.1", "ann@site.test", "ann@site.test").startswith("553 ")


def test_a_document_without_a_policy_says_nothing_of_it() -> None:
    settings = decoded(b'{"domains":["site.test"]}', NAME)
    assert b"policy" not in encoded(settings)
