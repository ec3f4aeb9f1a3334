"""The arguments of MAIL FROM and RCPT TO: a path, then ESMTP parameters (RFC 5321 §4.1.1.11).

SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET, ENVID, NOTIFY, ORCPT (RFC 3461),
AUTH (RFC 4954 §5: read and ignored, nobody is trusted to vouch for another's identity).
Keywords have no case, values keep theirs. Everything else is refused.
"""

from __future__ import annotations

import re

import msgspec

from appliance.mail import xtext
from appliance.mail.address import parse_forward_path, parse_reverse_path
from appliance.mail.envelope import Recipient
from appliance.mail.reply import Refused, Reply

MAX_ENVID = 100  # RFC 3461 §4.4, as sent
MAX_ORCPT = 500  # RFC 3461 §4.2, as sent

_MAIL_KEYWORDS = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"})
_RCPT_KEYWORDS = frozenset({"NOTIFY", "ORCPT"})
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_SIZE = re.compile(r"[0-9]{1,20}")
_VALUE = re.compile(r"[!-<>-~]+")  # esmtp-value
_ORCPT = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*);(.+)")
_PRINTABLE = re.compile(r"[ -~]+")


class MailParameters(msgspec.Struct, frozen=True):
    """What MAIL FROM said besides the path; `size` is in octets, None if not given."""

    size: int | None = None
    body: str | None = None
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None


_NO_PARAMETERS = MailParameters()


def mail_from(argument: str) -> tuple[str, MailParameters]:
    """Read what follows `MAIL FROM:` into (reverse-path, parameters); raises `Refused`."""
    path, rest = parse_reverse_path(argument, True)
    parameters = parse_mail_parameters(rest) if rest else _NO_PARAMETERS
    if not parameters.smtputf8 and not path.isascii():
        parse_reverse_path(argument, False)  # says why not
    return path, parameters


def rcpt_to(argument: str, smtputf8: bool) -> Recipient:
    """Read what follows `RCPT TO:`; `smtputf8` as MAIL FROM said. Raises `Refused`."""
    path, rest = parse_forward_path(argument, smtputf8)
    if not rest:
        return Recipient(path)
    values = _split(rest, _RCPT_KEYWORDS)
    return Recipient(path, _notify(values.get("NOTIFY")), _orcpt(values.get("ORCPT"), smtputf8))


def parse_mail_parameters(rest: str) -> MailParameters:
    """Read the parameters of MAIL FROM; raises `Refused`."""
    values = _split(rest, _MAIL_KEYWORDS)
    size = values.get("SIZE")
    if size is not None and not _SIZE.fullmatch(size):
        raise _bad_value("SIZE")
    if values.get("SMTPUTF8"):
        raise _bad_value("SMTPUTF8")
    if "AUTH" in values and not _VALUE.fullmatch(values["AUTH"]):
        raise _bad_value("AUTH")
    return MailParameters(
        int(size) if size is not None else None,
        _one_of(values, "BODY", ("7BIT", "8BITMIME")),
        "SMTPUTF8" in values,
        _one_of(values, "RET", ("FULL", "HDRS")),
        _envid(values.get("ENVID")),
    )


def _split(rest: str, known: frozenset[str]) -> dict[str, str]:
    """Keyword in capitals → value; a bare keyword has the value ""."""
    values: dict[str, str] = {}
    for word in rest.split(" "):
        if not word:
            continue
        keyword, equals, value = word.partition("=")
        keyword = keyword.upper()
        if keyword not in known:
            raise Refused(Reply(555, "5.5.4", "Parameter not recognized"))
        if keyword in values:
            raise Refused(Reply(501, "5.5.4", f"{keyword} given twice"))
        if equals and not value:
            raise _bad_value(keyword)
        values[keyword] = value
    return values


def _one_of(values: dict[str, str], keyword: str, allowed: tuple[str, ...]) -> str | None:
    value = values.get(keyword)
    if value is None:
        return None
    value = value.upper()
    if value not in allowed:
        raise _bad_value(keyword)
    return value


def _envid(value: str | None) -> str | None:
    """RFC 3461 §4.4: xtext of printable ASCII."""
    if value is None:
        return None
    if len(value) > MAX_ENVID or not _printable_xtext(value):
        raise _bad_value("ENVID")
    return value


def _notify(value: str | None) -> tuple[str, ...]:
    """RFC 3461 §4.1: NEVER alone, or a list of the others."""
    if value is None:
        return ()
    words = tuple(dict.fromkeys(value.upper().split(",")))
    if words != ("NEVER",) and not _NOTIFY.issuperset(words):
        raise _bad_value("NOTIFY")
    return words


def _orcpt(value: str | None, smtputf8: bool) -> str | None:
    """RFC 3461 §4.2, RFC 6533 §3: a type, ";" and an address encoded as the type says."""
    if value is None:
        return None
    match = _ORCPT.fullmatch(value)
    if match is None or len(value.encode("utf-8", "replace")) > MAX_ORCPT:
        raise _bad_value("ORCPT")
    if not value.isascii() and not smtputf8:
        raise _bad_value("ORCPT")
    if match[1].lower() == "utf-8":
        good = _visible_utf8_address(match[2])
    else:
        good = _printable_xtext(match[2])
    if not good:
        raise _bad_value("ORCPT")
    return value


def _printable_xtext(value: str) -> bool:
    try:
        return bool(_PRINTABLE.fullmatch(xtext.decode(value)))
    except ValueError:
        return False


def _visible_utf8_address(value: str) -> bool:
    try:
        return xtext.decode_utf8_address(value).isprintable()
    except ValueError:
        return False


def _bad_value(keyword: str) -> Refused:
    return Refused(Reply(501, "5.5.4", f"Bad value for {keyword}"))
