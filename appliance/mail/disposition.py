"""What a next hop's answer means for the recipient (RFC 5321 §4.2.1): one place decides.

Only an answer about the message or the recipient may end in a bounce. Whatever is about the
connection, about us, or not understood is transient: an operator can mend it within days, a
bounced message is gone.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from appliance.mail.reply import Reply
from appliance.mail.work import Result


class Stage(Enum):
    """What the reply answers; SESSION is greeting, EHLO, STARTTLS and AUTH."""

    SESSION = "session"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    CONTENT = "end of data"


class Trouble(Enum):
    """Ways to fail without a reply; the value is an enhanced status (RFC 3463 §3.5)."""

    NO_ANSWER = "4.4.1"
    CONNECTION_LOST = "4.4.2"
    NAME_UNKNOWN = "4.4.3"
    TLS_MISSING = "4.7.4"
    TLS = "4.7.5"
    PROTOCOL = "4.5.0"
    UNKNOWN = "4.0.0"


class Verdict(msgspec.Struct, frozen=True):
    """The result, the reply to report (its enhanced status always filled in), and who is to blame.

    `blames_hop`: the trouble is the next hop's, not this message's: it should rest.
    """

    result: Result
    reply: Reply
    blames_hop: bool = False


# 421 closes the channel (§3.8); the others are answers to a missing or failed AUTH (RFC 4954 §6).
_ABOUT_THE_HOP = frozenset({421, 454, 530, 534, 535, 538})

# What RFC 5321 §4.2.2, RFC 7504 and RFC 4954 §6 say the code means, in the words of RFC 3463.
_STATUS = {
    421: "4.3.2",
    450: "4.2.0",
    451: "4.3.0",
    452: "4.3.1",
    454: "4.7.0",
    455: "4.5.4",
    500: "5.5.2",
    501: "5.5.4",
    502: "5.5.1",
    503: "5.5.1",
    504: "5.5.4",
    521: "5.3.2",
    530: "5.7.0",
    534: "5.7.9",
    535: "5.7.8",
    538: "5.7.11",
    551: "5.1.6",
    552: "5.2.2",
    553: "5.1.3",
    555: "5.5.4",
    556: "5.1.10",
}


def judge(reply: Reply, stage: Stage) -> Verdict:
    """What the final `reply` of a transaction means for the recipients it is about.

    A positive reply ends a transaction at the end of data only; anywhere else it is as
    unexpected as no SMTP code at all.
    """
    if stage is Stage.CONTENT and 200 <= reply.code < 300:
        return Verdict(Result.DELIVERED, with_status(reply, stage))
    if not 400 <= reply.code < 600:
        return Verdict(
            Result.DEFERRED,
            unreachable(Trouble.PROTOCOL, f"unexpected reply to {stage.value}: {reply}"),
            blames_hop=True,
        )
    said = reply
    reply = with_status(said, stage)
    about_the_hop = stage is Stage.SESSION or reply.code in _ABOUT_THE_HOP
    if not reply.permanent:
        return Verdict(Result.DEFERRED, reply, about_the_hop)
    if about_the_hop:
        return Verdict(Result.DEFERRED, _softened(reply), blames_hop=True)
    if stage is Stage.RCPT and _too_many_recipients(said):
        return Verdict(Result.DEFERRED, Reply(452, "4.5.3", reply.text))
    return Verdict(Result.BOUNCED, reply)


def unreachable(trouble: Trouble, text: str) -> Reply:
    """A reply in our own words where there was none: as if 451 was said (RFC 5321 §3.8)."""
    return Reply(451, trouble.value, text)


def with_status(reply: Reply, stage: Stage) -> Reply:
    """`reply` with an enhanced status that fits its code, made up from the code if need be."""
    digit = str(reply.code // 100)
    if reply.enhanced.startswith(f"{digit}."):
        return reply
    status = _STATUS.get(reply.code, f"{digit}.0.0")
    if reply.code == 550 and stage is Stage.RCPT:
        status = "5.1.1"
    return Reply(reply.code, status, reply.text)


def _softened(reply: Reply) -> Reply:
    """A refusal of us, not of the mail: what was said stays readable in the text."""
    return Reply(451, f"4{reply.enhanced[1:]}", f"refused for now: {reply}")


def _too_many_recipients(said: Reply) -> bool:
    """RFC 5321 §4.5.3.1.10: old servers say 552 where 452 is meant."""
    return said.enhanced == "5.5.3" or (said.code == 552 and not said.enhanced)
