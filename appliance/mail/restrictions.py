"""Whom mail is taken from, and for whom: decided at RCPT, when all is known (Postfix's
`smtpd_delay_reject`). Who may relay is decided elsewhere and before: nothing here permits that.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum

import msgspec

from appliance.mail.address import canonical, domain_key, normal_domain, split
from appliance.mail.networks import Networks
from appliance.mail.patterns import Patterns
from appliance.mail.reply import Reply
from appliance.mail.route import ROLES

_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_LONGEST_NAME = 255

CLIENT_DENIED = Reply(554, "5.7.1", "Client host rejected: Access denied")
HELO_INVALID = Reply(501, "5.5.2", "Helo command rejected: Invalid name")
HELO_NOT_FQDN = Reply(504, "5.5.2", "Helo command rejected: need fully-qualified hostname")
HELO_OURS = Reply(554, "5.7.1", "Helo command rejected: this is our name, not yours")
SENDER_NOT_FQDN = Reply(504, "5.5.2", "Sender address rejected: need fully-qualified address")
SENDER_OURS = Reply(553, "5.7.1", "Sender address rejected: it is of this site, log in to use it")
SENDER_UNKNOWN = Reply(550, "5.1.0", "Sender address rejected: No such user here")
RECIPIENT_NOT_FQDN = Reply(504, "5.5.2", "Recipient address rejected: need fully-qualified address")
_REFUSED = Reply(554, "5.7.1", "Access denied")
_DEFERRED = Reply(450, "4.7.1", "Try again later")


class Action(StrEnum):
    """What becomes of a recipient; HOLD concerns the whole message."""

    PERMIT = "permit"
    REJECT = "reject"
    DEFER = "defer"
    HOLD = "hold"
    DISCARD = "discard"


class Reason(StrEnum):
    """Which restriction it was: what refusals are counted by."""

    ACCESS = "access"
    CLIENT = "client"
    HELO = "helo"
    SENDER = "sender"
    RECIPIENT = "recipient"
    RELAY = "relay"
    UNKNOWN_USER = "unknown user"
    UNVERIFIED = "unverified"
    RATE = "rate"
    EARLY_TALKER = "early talker"


class Attempt(msgspec.Struct, frozen=True):
    """Who wants to send, as whom. `stranger`: not logged in, and of no network that may relay."""

    client: str
    helo: str
    sender: str
    user: str = ""
    stranger: bool = True


class Decision(msgspec.Struct, frozen=True):
    """What to do other than to take the recipient; `reply` if it is refused."""

    action: Action
    reason: Reason
    reply: Reply | None = None


class Rule(msgspec.Struct, frozen=True):
    """An entry of the access list: matches if each of its conditions does; an empty one is none."""

    action: Action
    client: Networks = Networks()
    helo: Patterns = Patterns()
    sender: Patterns = Patterns()
    recipient: Patterns = Patterns()
    user: frozenset[str] = frozenset()
    text: str = ""

    def match(self, attempt: Attempt, recipient: str) -> bool:
        """Whether it is about this recipient of this attempt."""
        return (
            (not self.user or attempt.user in self.user)
            and (not self.sender or self.sender.match(attempt.sender))
            and (not self.recipient or self.recipient.match(recipient))
            and (not self.helo or self.helo.match_name(attempt.helo))
            and (not self.client or attempt.client in self.client)
        )

    @property
    def decision(self) -> Decision:
        """What it says."""
        reply = {Action.REJECT: _REFUSED, Action.DEFER: _DEFERRED}.get(self.action)
        if reply is not None and self.text:
            reply = Reply(reply.code, reply.enhanced, self.text)
        return Decision(self.action, Reason.ACCESS, reply)


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """Which restrictions there are; those of HELO and `own_sender` are for strangers."""

    invalid_helo: bool = False
    non_fqdn_helo: bool = False
    own_helo: bool = False
    non_fqdn_sender: bool = False
    own_sender: bool = False
    unlisted_sender: bool = False
    non_fqdn_recipient: bool = False


_NO_CHECKS = Checks()
_NOBODY = Networks()


class Restrictions:
    """The restrictions of a site, in the order in which they are looked at.

    `domains` are its own (as keys), `names` what a client must not call itself; `listed` says
    whether there is somebody at an address of its own. `allowed` clients are looked at no further
    than the access list.
    """

    def __init__(
        self,
        checks: Checks = _NO_CHECKS,
        rules: Sequence[Rule] = (),
        denied: Networks = _NOBODY,
        allowed: Networks = _NOBODY,
        domains: Collection[str] = (),
        names: Collection[str] = (),
        listed: Callable[[str], bool] = lambda address: True,
    ) -> None:
        self._checks = checks
        self._rules = tuple((rule, rule.decision) for rule in rules)
        self._denied = denied
        self._allowed = allowed
        self._domains = frozenset(map(normal_domain, domains))
        self._names = frozenset(map(normal_domain, (*domains, *names)))
        self._listed = listed
        self._for_all = bool(
            rules
            or denied
            or checks.non_fqdn_sender
            or checks.unlisted_sender
            or checks.non_fqdn_recipient
        )

    def decide(self, attempt: Attempt, recipient: str) -> Decision | None:
        """What stands against `recipient` (a parsed path); None if nothing does."""
        if not (attempt.stranger or self._for_all):
            return None
        for rule, decision in self._rules:
            if rule.match(attempt, recipient):
                return None if decision.action is Action.PERMIT else decision
        if self._allowed and attempt.client in self._allowed:
            return None
        if self._denied and attempt.client in self._denied:
            return _reject(Reason.CLIENT, CLIENT_DENIED)
        if _is_role(recipient):
            return None  # RFC 5321 §4.5.1: whoever is refused can ask why
        return (
            (self._helo(attempt.helo) if attempt.stranger else None)
            or self._sender(attempt)
            or self._recipient(recipient)
        )

    def _helo(self, name: str) -> Decision | None:
        checks = self._checks
        literal = name.startswith("[")
        if checks.invalid_helo and not (_is_literal(name) if literal else _is_name(name)):
            return _reject(Reason.HELO, HELO_INVALID)
        if checks.own_helo and normal_domain(name) in self._names:
            return _reject(Reason.HELO, HELO_OURS)
        if checks.non_fqdn_helo and not literal and not _is_qualified(name):
            return _reject(Reason.HELO, HELO_NOT_FQDN)
        return None

    def _sender(self, attempt: Attempt) -> Decision | None:
        checks, sender = self._checks, attempt.sender
        if not sender:
            return None
        domain = domain_key(sender)
        if checks.non_fqdn_sender and not _is_qualified(domain):
            return _reject(Reason.SENDER, SENDER_NOT_FQDN)
        if domain not in self._domains:
            return None
        if checks.own_sender and attempt.stranger:
            return _reject(Reason.SENDER, SENDER_OURS)
        if checks.unlisted_sender and not self._listed(sender):
            return _reject(Reason.SENDER, SENDER_UNKNOWN)
        return None

    def _recipient(self, recipient: str) -> Decision | None:
        if self._checks.non_fqdn_recipient and not _is_qualified(domain_key(recipient)):
            return _reject(Reason.RECIPIENT, RECIPIENT_NOT_FQDN)
        return None


def _reject(reason: Reason, reply: Reply) -> Decision:
    return Decision(Action.REJECT, reason, reply)


def _is_role(recipient: str) -> bool:
    return canonical(split(recipient)[0]) in ROLES


def _is_name(name: str) -> bool:
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        return False
    return not name.replace(".", "").isdigit()  # an address without its brackets


def _is_literal(name: str) -> bool:
    """RFC 5321 §4.1.3."""
    inner = name[1:-1]
    try:
        if not name.endswith("]"):
            return False
        if inner[:5].lower() == "ipv6:":
            ipaddress.IPv6Address(inner[5:])
        else:
            ipaddress.IPv4Address(inner)
    except ValueError:
        return False
    return True


def _is_qualified(domain: str) -> bool:
    return domain.startswith("[") or "." in domain.rstrip(".")
