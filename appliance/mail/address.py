"""SMTP paths and addresses: parsing, splitting and comparing (RFC 5321 §4.1.2, RFC 6531).

Two rules keep address tricks from fooling a relay decision. The grammar is strict, so an
address that gets in has one reading only: its domain is what follows the last `@`, and no
trailing dot, bare `@`, comment or control character is left in it. And nobody here rewrites
or interprets a local part: `user%other@site` and `other!user@site` are users of `site`.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata

import idna

from appliance.mail.reply import Refused, Reply

# RFC 5321 §4.5.3.1.3: a path with its brackets. The 64 octets of §4.5.3.1.1 are what a server
# must at least take, not a limit: VERP senders of real mailing lists are longer.
MAX_PATH_OCTETS = 256
MAX_DOMAIN_OCTETS = 255  # §4.5.3.1.2

BAD_SENDER = "5.1.7"  # RFC 3463 §3.2: bad sender's mailbox address syntax
BAD_RECIPIENT = "5.1.3"  # bad destination mailbox address syntax

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
# The underscore is no letter of RFC 5321 §4.1.2, but internal hosts carry it in their names.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
# Non-ASCII of RFC 6531 §3.3, less what no mailbox needs and every log would have to fear:
# C1 controls, spaces, invisible and bidi controls, surrogates, private use, noncharacters.
_UTF8 = (
    r"\u00a1-\u00ac\u00ae-\u061b\u061d-\u167f\u1681-\u180d\u180f-\u1fff\u200c\u200d"
    r"\u2010-\u2027\u2030-\u205e\u2070-\u2fff\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufefe"
    r"\uff01-\uffef\U00010000-\U0001fffd\U00020000-\U0002fffd\U00030000-\U0003fffd"
    r"\U000e0100-\U000e01ef"
)
_UTF8_ATOM = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_UTF8}-]+"
_DOT_STRING = rf"{_UTF8_ATOM}(?:\.{_UTF8_ATOM})*"
_QUOTED = rf'"(?:[ !#-\[\]-~{_UTF8}]|\\[ -~])*"'
_ANY_DOMAIN = rf"\[[!-Z^-~]*\]|[A-Za-z0-9_.{_UTF8}-]+"

# The common path in one match: ASCII, unquoted, a domain name, then the end or a space.
_COMMON = re.compile(rf" *<({_ATOM}(?:\.{_ATOM})*@{_DOMAIN})>(?: +|\Z)")
# Every path of the grammar; the domain is checked apart. A source route comes first (§4.1.2).
_GENERAL = re.compile(
    rf" *<(?:@(?:{_ANY_DOMAIN})(?:,@(?:{_ANY_DOMAIN}))*:)?"
    rf"((?:{_DOT_STRING}|{_QUOTED})(?:@({_ANY_DOMAIN}))?)>(?: +|\Z)"
)
_NULL = re.compile(r" *<>(?: +|\Z)")
_DOMAIN_NAME = re.compile(_DOMAIN)
_PLAIN_LOCAL = re.compile(_DOT_STRING)
_PAIR = re.compile(r"\\(.)")


def parse_path(argument: str, smtputf8: bool, bad: str = BAD_RECIPIENT) -> tuple[str, str]:
    """Split what follows `MAIL FROM:` or `RCPT TO:` into (path without brackets, parameters).

    "" is the null path, `postmaster` (any case) the one mailbox without a domain (§4.5.1).
    A source route is read and dropped (§4.1.1.3, appendix C): the final mailbox alone decides
    and alone is passed on, so it can't smuggle a hop past the decision. `bad` is the enhanced
    status of a syntax error. Raises `Refused`.
    """
    match = _COMMON.match(argument)
    if match is None:
        return _parse_general(argument, smtputf8, bad)
    address = match[1]
    if len(address) > MAX_PATH_OCTETS - 2:
        raise _too_long(bad)
    return address, argument[match.end() :]


def parse_reverse_path(argument: str, smtputf8: bool) -> tuple[str, str]:
    """`parse_path` for MAIL FROM: the null path is allowed, a mailbox without domain is not."""
    path, rest = parse_path(argument, smtputf8, BAD_SENDER)
    if path and "@" not in path:
        raise Refused(Reply(501, BAD_SENDER, "Sender address needs a domain"))
    return path, rest


def parse_forward_path(argument: str, smtputf8: bool) -> tuple[str, str]:
    """`parse_path` for RCPT TO: there is no null recipient."""
    path, rest = parse_path(argument, smtputf8, BAD_RECIPIENT)
    if not path:
        raise Refused(Reply(501, BAD_RECIPIENT, "Recipient address must not be empty"))
    return path, rest


def parse_address(text: str) -> str:
    """Check an address written without brackets (configuration, commands); raises `Refused`."""
    address, rest = parse_forward_path(f"<{text}>", True)
    if rest or address != text:
        raise Refused(Reply(501, BAD_RECIPIENT, "This is not one plain address"))
    return address


def split(address: str) -> tuple[str, str]:
    """(local part, domain) as written; the domain is "" for a domainless postmaster."""
    local, at, domain = address.rpartition("@")
    return (local, domain) if at else (domain, "")


def domain_key(address: str) -> str:
    """The domain of `address` as a key for routing and scheduling; "" if it has none.

    Never raises: one domain has one key, whether written in capitals, with a trailing dot, as
    U-labels or as A-labels.
    """
    _, at, domain = address.rpartition("@")
    return normal_domain(domain) if at else ""


def normal_domain(domain: str) -> str:
    """`domain` lower-cased, as A-labels, without trailing dot; literals in one spelling."""
    if not domain.isascii():
        return _a_labels(domain) or domain.lower()
    if domain.startswith("["):
        return _normal_literal(domain) or domain.lower()
    return domain.lower().rstrip(".")


def canonical(address: str) -> str:
    """One spelling for all that name the same mailbox of a local domain.

    Local parts compare without case, quoting or Unicode composition (§2.4, §4.1.2, RFC 6530
    §10.1). Don't use it for a foreign domain's mail: only its owner may say what is the same.
    """
    if address.isascii() and '"' not in address and "[" not in address:
        return address.lower().rstrip(".")
    local, at, domain = address.rpartition("@")
    if not at:
        local = domain
    local = unquote(local)
    if not local.isascii():
        local = unicodedata.normalize("NFC", local)
    local = quote(unicodedata.normalize("NFC", local.lower()))
    return f"{local}@{normal_domain(domain)}" if at else local


def unquote(local: str) -> str:
    """The content of a local part: `"a\\b"` and `ab` are the same (RFC 5321 §4.1.2)."""
    if len(local) < 2 or local[0] != '"' or local[-1] != '"':
        return local
    return _PAIR.sub(r"\1", local[1:-1])


def quote(content: str) -> str:
    """The shortest local part with that content: quoted only if it must be."""
    if _PLAIN_LOCAL.fullmatch(content):
        return content
    return '"' + content.replace("\\", "\\\\").replace('"', '\\"') + '"'


def carries_route(address: str) -> bool:
    """Whether the local part names a further hop to some mailer: `%`, `!` or a quoted `@`.

    Harmless for a local mailbox, but a next hop that takes mail from us by trust might follow
    it: strangers must not have such an address relayed.
    """
    local, _ = split(address)
    return any(mark in local for mark in "%!@")


def _parse_general(argument: str, smtputf8: bool, bad: str) -> tuple[str, str]:
    null = _NULL.match(argument)
    if null is not None:
        return "", argument[null.end() :]
    match = _GENERAL.match(argument)
    if match is None:
        raise _syntax_error(argument, bad)
    address: str = match[1]
    domain: str | None = match[2]
    if not address.isascii() and not smtputf8:
        raise Refused(
            Reply(553, "5.6.7", "Non-ASCII address needs SMTPUTF8"),  # RFC 6531 §3.5
            "the client must say SMTPUTF8 in MAIL FROM",
        )
    if len(address.encode()) > MAX_PATH_OCTETS - 2:
        raise _too_long(bad)
    if domain is None:
        if address.lower() != "postmaster":
            raise Refused(Reply(501, bad, "Address needs a domain"))
    elif not _valid_domain(domain):
        raise Refused(Reply(501, bad, "Bad domain in address"))
    return address, argument[match.end() :]


def _valid_domain(domain: str) -> bool:
    if domain.startswith("["):
        return bool(_normal_literal(domain))
    if domain.isascii():
        return bool(_DOMAIN_NAME.fullmatch(domain))
    return bool(_a_labels(domain))


def _a_labels(domain: str) -> str:
    """A-labels of an internationalised name (RFC 5891), "" if it is none."""
    if len(domain) > MAX_DOMAIN_OCTETS:
        return ""
    try:
        lowered = unicodedata.normalize("NFC", domain.lower())
        name = idna.encode(lowered, strict=True).decode("ascii")
    except idna.IDNAError:
        return ""
    return name if _DOMAIN_NAME.fullmatch(name) else ""


def _normal_literal(domain: str) -> str:
    """One spelling of an address literal (RFC 5321 §4.1.3), "" if it is none we know."""
    inner = domain[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            # No zone id: the grammar has none, and it means nothing on another machine.
            return "" if "%" in inner else f"[ipv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError:
        return ""


def _too_long(bad: str) -> Refused:
    return Refused(Reply(501, bad, f"Path too long, {MAX_PATH_OCTETS} octets at most"))


def _syntax_error(argument: str, bad: str) -> Refused:
    if not argument.lstrip(" ").startswith("<"):
        return Refused(Reply(501, bad, "Address must stand in angle brackets: <user@domain>"))
    return Refused(Reply(501, bad, "Bad address syntax"))
