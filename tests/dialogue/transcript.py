r"""Dialogues as text files.

    limits errors=3 message_size=65536     settings of `Limits`, in bytes, milliseconds, numbers
    relay 127.0.0.0/8                      networks that may relay
    # words                                a comment
    C: EHLO client.test                    the client sends a line with CRLF
    C> a\r\n.\r\n                          the client sends exactly this, Python escapes
    C< half-close                          the client half-closes its side
    S: 250 2.0.0 Ok                        a line of the server
    S: end                                 the server closes
    M: <a@b> -> <c@d>, … body=8BITMIME …   a message was accepted, with that envelope
    T: line                                … and that line in its content, which ends with the last

Consecutive lines of the client are sent in one write. Queue ids count from ID1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from appliance.config.limits import Limits
from appliance.config.units import Duration
from appliance.mail.envelope import Envelope
from appliance.mail.queue_id import parse
from tests.dialogue.intake import TAG, MemoryIntake, Taken
from tests.dialogue.served import Client, serving

_QUEUE_ID = re.compile(rf"{TAG}\w+")


def play(path: Path) -> tuple[list[str], list[str]]:
    """(what the file says, what was said); comments and settings appear in both."""
    script = path.read_text().splitlines()
    settings = dict(line.split(" ", 1) for line in script if re.match("limits |relay ", line))
    intake = MemoryIntake()
    limits = _limits(settings.get("limits", ""))
    with (
        serving(limits, intake, settings.get("relay", "").split()) as served,
        served.client() as client,
    ):
        said = list(_play(script, client))
    messages = [line for taken in intake.taken for line in _message(taken)]
    return script, [line for line in said if line[:2] not in ("M:", "T:")] + messages


def _limits(settings: str) -> Limits:
    named: dict[str, Any] = {}
    for setting in settings.split():
        name, _, value = setting.partition("=")
        named[name] = Duration(value) if name.endswith("timeout") else int(value)
    return Limits(**named)


def _play(script: list[str], client: Client) -> Iterator[str]:
    for marker, lines in groupby(script, key=lambda line: line[:2]):
        group = list(lines)
        if marker in ("C:", "C>"):
            client.send(b"".join(map(_bytes, group)))
        elif marker == "C<":
            client.half_close()
        for line in group:
            if marker == "S:":
                yield f"S: {_with_short_ids(client.line()) or 'end'}"
            else:
                yield line


def _bytes(line: str) -> bytes:
    text = line[3:].encode()
    if line.startswith("C>"):
        return text.decode("unicode_escape").encode("latin-1")
    return text + b"\r\n"


def _with_short_ids(line: str) -> str:
    return _QUEUE_ID.sub(lambda match: f"ID{parse(match[0])[1]}", line)


def _message(taken: Taken) -> Iterator[str]:
    yield f"M: {_envelope(taken.envelope)}"
    for line in taken.text.split(b"\r\n")[:-1]:
        yield f"T: {line.decode('utf-8', 'backslashreplace')}"
    assert not taken.text or taken.text.endswith(b"\r\n")


def _envelope(envelope: Envelope) -> str:
    recipients = ", ".join(
        f"<{one.address}>"
        + (f" NOTIFY={','.join(one.notify)}" if one.notify else "")
        + (f" ORCPT={one.orcpt}" if one.orcpt is not None else "")
        for one in envelope.recipients
    )
    options = [
        f"{name}={value}"
        for name in ("body", "ret", "envid")
        if (value := getattr(envelope, name)) is not None
    ]
    options += ["smtputf8"] * envelope.smtputf8
    return " ".join([f"<{envelope.sender}> -> {recipients}", *options])
