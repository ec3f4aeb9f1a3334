"""Restrictions as Postfix users know them: whom mail is taken from, and how fast."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Literal

import msgspec

from appliance.config.aliases import address_of
from appliance.config.units import Duration, Hostname, LocalName, Network, Wrong
from appliance.mail.networks import Networks
from appliance.mail.patterns import ANY, NULL, Patterns
from appliance.mail.restrictions import Action, Checks, Restrictions, Rule

Limit = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Many = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Few = Annotated[int, msgspec.Meta(ge=1, le=100)]

_TEXT = re.compile(r"[ -~]{1,200}")
_LONGEST_WAIT = 10_000


class AccessRule(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of mail for which each condition given here holds; the first such rule decides.

    `client`: networks. `helo`: names of clients. `sender`, `recipient`: "user@example.org",
    "example.org", ".example.org", "user@", "*", and "<>" for the null sender. `user`: who has
    logged in. `permit` looks at no further restriction, and lets nobody relay. `discard`
    forgets it for these recipients although the client gets 250, `hold` keeps the whole message
    until it is released. `text` is what the client is told by `reject` and `defer`.
    """

    action: Literal["permit", "reject", "defer", "hold", "discard"]
    client: tuple[Network, ...] = ()
    helo: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    user: tuple[LocalName, ...] = ()
    text: str = ""

    def __post_init__(self) -> None:
        if not (self.client or self.helo or self.sender or self.recipient or self.user):
            hint = 'for example sender = ["example.org"], or recipient = ["*"] for all mail'
            raise Wrong("an access rule needs a condition", hint)
        if self.text and self.action not in ("reject", "defer"):
            raise Wrong(f'nobody is told a text by action "{self.action}"')
        if self.text and not _TEXT.fullmatch(self.text):
            raise Wrong("text is one line of ASCII, 200 characters at most")
        for pattern in self.helo:
            _check_domain("helo", pattern)
        for pattern in self.sender:
            _check_pattern("sender", pattern)
        for pattern in self.recipient:
            if pattern == NULL:
                raise Wrong("recipient: no mail goes to <>", 'the null sender is sender = ["<>"]')
            _check_pattern("recipient", pattern)

    def value(self) -> Rule:
        """The same as the mail rules know it."""
        return Rule(
            action=Action(self.action),
            client=Networks(self.client),
            helo=Patterns(self.helo),
            sender=Patterns(self.sender),
            recipient=Patterns(self.recipient),
            user=frozenset(map(str, self.user)),
            text=self.text,
        )


class RateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much may come from one client (an IPv4 address or an IPv6 /64), or from one user.

    No limit where none is given. Who has logged in is counted as a user, all others as clients;
    networks that may relay, `policy.allowed_clients` and `exempt` clients are not counted.
    """

    connections_per_minute: Limit | None = None
    messages_per_minute: Limit | None = None
    recipients_per_minute: Limit | None = None
    recipients_per_hour: Limit | None = None
    user_messages_per_minute: Limit | None = None
    user_recipients_per_hour: Limit | None = None
    exempt: tuple[Network, ...] = ()


class VerifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients that are relayed, asked for at the next hop before they are taken.

    `domains`: "example.org", ".example.org", or "*" for all that is relayed. Until the next hop
    has answered, `wait` at most for one message, a client waits; then `unknown` says what it
    gets. An answer is kept for `positive_ttl` or `negative_ttl`, and asked for again, with nobody
    waiting, once half of that is over. `timeout`: for a callout; `callouts`: at one moment.
    `cache`: addresses kept.
    """

    domains: tuple[str, ...] = ()
    unknown: Literal["defer", "accept"] = "defer"
    wait: Duration = Duration(5_000)
    timeout: Duration = Duration(30_000)
    callouts: Few = 10
    positive_ttl: Duration = Duration(86_400_000)
    negative_ttl: Duration = Duration(900_000)
    cache: Many = 100_000

    def __post_init__(self) -> None:
        for pattern in self.domains:
            _check_domain("domains", pattern)
        for name in ("timeout", "positive_ttl", "negative_ttl"):
            if getattr(self, name) < 1000:
                raise Wrong(f"{name} must be 1s or more")
        if self.wait > 60_000:
            raise Wrong("wait is 1m at most", "clients would give up")


class PolicySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Whom mail is taken from. Names and replies are Postfix's; decided when a recipient is named.

    A stranger is who has not logged in and is of no network that may relay. Postmaster and abuse
    hear from everybody but `denied_clients`. `allowed_clients` are an exception to everything
    here but `access`, and may no more than others relay. `greet_wait`: how long strangers wait
    for the greeting; who speaks before it is sent away.
    """

    denied_clients: tuple[Network, ...] = ()
    allowed_clients: tuple[Network, ...] = ()
    greet_wait: Duration = Duration(0)
    reject_invalid_helo: bool = True
    reject_non_fqdn_helo: bool = False
    reject_own_helo: bool = True
    reject_non_fqdn_sender: bool = False
    reject_own_sender: bool = True
    reject_unlisted_sender: bool = False
    reject_non_fqdn_recipient: bool = False
    access: tuple[AccessRule, ...] = ()
    rates: RateSettings = RateSettings()
    verify: VerifySettings = VerifySettings()

    def __post_init__(self) -> None:
        if self.greet_wait > _LONGEST_WAIT:
            raise Wrong("greet_wait is 10s at most", "clients would give up")

    def restrictions(
        self, domains: Collection[str], names: Sequence[str], listed: Callable[[str], bool]
    ) -> Restrictions:
        """The same as the mail rules know it; the rest is as in `Restrictions`."""
        return Restrictions(
            Checks(
                invalid_helo=self.reject_invalid_helo,
                non_fqdn_helo=self.reject_non_fqdn_helo,
                own_helo=self.reject_own_helo,
                non_fqdn_sender=self.reject_non_fqdn_sender,
                own_sender=self.reject_own_sender,
                unlisted_sender=self.reject_unlisted_sender,
                non_fqdn_recipient=self.reject_non_fqdn_recipient,
            ),
            [rule.value() for rule in self.access],
            Networks(self.denied_clients),
            Networks(self.allowed_clients),
            domains,
            names,
            listed,
        )


def _check_domain(key: str, pattern: str) -> None:
    if pattern == ANY:
        return
    try:
        Hostname.parse(pattern.removeprefix("."))
    except Wrong as error:
        hint = 'write "example.org", ".example.org" or "*"'
        raise Wrong(f"{key}: {error}", hint) from None


def _check_pattern(key: str, pattern: str) -> None:
    if pattern == NULL:
        return
    if pattern.endswith("@"):
        address_of(key, f"{pattern}example.org")
    elif "@" in pattern:
        address_of(key, pattern)
    else:
        _check_domain(key, pattern)
