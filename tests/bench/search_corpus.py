"""Mail that is like the shared corpus of real mail in what an index feels, made by number.

Words are Zipf-distributed with a tail of words of their own; lengths are lognormal (median 170
words, mean about 310, half of them distinct); a fifth is HTML, a fifth has parts, every tenth an
attachment. What a message says is kept as plain words, so that a scan needs no part of the product.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate

import numpy as np

PEOPLE = 2_000
_VOCABULARY = 60_000
_EXPONENT = 1.12
_OWN_SHARE = 0.015
_MEDIAN, _SIGMA, _LONGEST = 170, 1.1, 4_000
_CONSONANTS, _VOWELS = "bcdfghklmnprstvz", "aeiou"
START = 1_760_000_000_000
"""When the first message was received, in wall-clock milliseconds."""
APART = 20_000


def word(rank: int) -> str:
    """The word of a rank: short ones are common, as in languages."""
    number, letters = rank + 1, ""
    while number:
        number, consonant = divmod(number, len(_CONSONANTS))
        number, vowel = divmod(number, len(_VOWELS))
        letters += _CONSONANTS[consonant] + _VOWELS[vowel]
    return letters


def person(number: int) -> str:
    """Somebody's address."""
    return f"{word(number * 7 + 11)}{number}@{word(number % 50 + 900)}.test"


@dataclass(frozen=True)
class Letter:
    """One message: what was put in, and the message made of it."""

    number: int
    sender: str
    recipient: str
    subject: Sequence[str]
    body: Sequence[str]
    content: bytes

    @property
    def received_at(self) -> int:
        return START + self.number * APART


class Corpus:
    """Messages by number; always the same ones."""

    def __init__(self) -> None:
        weights = 1 / np.arange(1, _VOCABULARY + 1) ** _EXPONENT
        self._shares = np.cumsum(weights / weights.sum())
        self.words = [word(rank) for rank in range(_VOCABULARY)]

    def letter(self, number: int) -> Letter:
        """Message `number`."""
        random = np.random.default_rng(number)
        length = int(min(_LONGEST, max(8, random.lognormal(np.log(_MEDIAN), _SIGMA))))
        ranks = np.searchsorted(self._shares, random.random(length + 6)).tolist()
        body = [self.words[rank] for rank in ranks[6:]]
        for place in random.integers(0, length, int(length * _OWN_SHARE)).tolist():
            body[place] = f"x{number:x}y{place}"
        subject = [self.words[rank] for rank in ranks[:6]]
        sender = person(int(random.zipf(1.3) % PEOPLE))
        recipient = person(int(random.integers(PEOPLE)))
        kind = random.random()
        content = _made(number, sender, recipient, subject, body, kind)
        return Letter(number, sender, recipient, subject, body, content)


def _made(
    number: int,
    sender: str,
    recipient: str,
    subject: Sequence[str],
    body: Sequence[str],
    kind: float,
) -> bytes:
    header = (
        f"Received: from client.test by node.test with ESMTP; {formatdate(number)}\r\n"
        f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {' '.join(subject)}\r\n"
        f"Date: {formatdate(number)}\r\nMessage-ID: <{number}.{len(body)}@node.test>\r\n"
        "MIME-Version: 1.0\r\n"
    )
    text = "\r\n".join(" ".join(body[at : at + 11]) for at in range(0, len(body), 11))
    html = "<html><body>" + "".join(
        f"<p class='x'>{' '.join(body[at : at + 40])}</p>\r\n" for at in range(0, len(body), 40)
    )
    if kind < 0.6:
        return f"{header}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()
    if kind < 0.8:
        return f"{header}Content-Type: text/html\r\n\r\n{html}</body></html>\r\n".encode()
    parts = f"--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n"
    if kind < 0.9:
        attached = b64encode(bytes(3000)).decode()
        parts += (
            f'--b\r\nContent-Type: application/pdf; name="file{number}.pdf"\r\n'
            f"Content-Transfer-Encoding: base64\r\n\r\n{attached}\r\n"
        )
    return f"{header}Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n".encode()
