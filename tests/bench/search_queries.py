"""The kinds of questions of the benchmark, each as we ask it, as stock Whoosh is asked, and as a
scan answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.bench.search_corpus import APART, START, Corpus, Letter, person

Fits = Callable[[Letter], bool]


@dataclass(frozen=True)
class Question:
    """`stock` is None where stock Whoosh has nothing to answer it with."""

    ours: str
    fits: Fits
    stock: str | None


class Questions:
    """Draws questions about the first `size` messages of a corpus."""

    def __init__(self, corpus: Corpus, size: int, seed: int = 1) -> None:
        self._corpus = corpus
        self._size = size
        self._random = Random(seed)

    def kinds(self) -> dict[str, Callable[[], Question]]:
        """Every kind, by name."""
        return {
            "mid term": lambda: self._all(self._mid()),
            "common term": lambda: self._all(self._common()),
            "AND of 2": lambda: self._all(self._mid(), self._common()),
            "rare AND common": lambda: self._all(self._rare(), self._common()),
            "phrase": lambda: self._phrase(2),
            "3-word phrase of common words": self._common_phrase,
            "3-character prefix": lambda: self._prefix(None),
            "prefix AND rare term": lambda: self._prefix(self._rare()),
            "from + date": self._from_and_date,
            "no hit": lambda: self._all(f"qq{self._random.randrange(10**6)}"),
            "NOT": self._not,
            "OR of 3": self._or,
        }

    def some(self, kind: str, count: int) -> Iterator[Question]:
        """`count` questions of a kind."""
        draw = self.kinds()[kind]
        return (draw() for _ in range(count))

    def _common(self) -> str:
        return self._corpus.words[self._random.randrange(2, 60)]

    def _mid(self) -> str:
        return self._corpus.words[self._random.randrange(300, 3000)]

    def _rare(self) -> str:
        return self._corpus.words[self._random.randrange(20_000, 50_000)]

    def _letter(self) -> Letter:
        return self._corpus.letter(self._random.randrange(self._size))

    def _all(self, *words: str) -> Question:
        query = " ".join(words)
        stock = " AND ".join(f"(body:{word} OR head:{word})" for word in words)
        return Question(query, lambda one: all(_has(one, word) for word in words), stock)

    def _phrase(self, length: int) -> Question:
        body = self._letter().body
        at = self._random.randrange(max(1, len(body) - length))
        return self._the_phrase(body[at : at + length])

    def _common_phrase(self) -> Question:
        return self._the_phrase([self._common() for _ in range(3)])

    def _the_phrase(self, words: Sequence[str]) -> Question:
        query = f'"{" ".join(words)}"'
        return Question(query, lambda one: _has_phrase(one, words), f"body:{query} OR head:{query}")

    def _prefix(self, also: str | None) -> Question:
        prefix = self._mid()[:3]
        query = f"{prefix}* {also or ''}"

        def fits(one: Letter) -> bool:
            known = any(word.startswith(prefix) for word in _words(one))
            return known and (also is None or _has(one, also))

        stock = f"(body:{prefix}* OR head:{prefix}*)"
        return Question(query, fits, f"{stock} AND body:{also}" if also else stock)

    def _from_and_date(self) -> Question:
        sender = person(self._random.randrange(40))
        first = self._random.randrange(self._size)
        days = self._random.choice((1, 7, 30))
        start = (START + first * APART) // 86_400_000 * 86_400_000
        end = start + days * 86_400_000
        query = f"from:{sender} after:{_day(start)} before:{_day(end)}"
        return Question(
            query, lambda one: one.sender == sender and start <= one.received_at < end, None
        )

    def _not(self) -> Question:
        one, other = self._common(), self._common()
        return Question(
            f"{one} NOT {other}",
            lambda letter: _has(letter, one) and not _has(letter, other),
            f"body:{one} NOT body:{other}",
        )

    def _or(self) -> Question:
        words = [self._mid() for _ in range(3)]
        return Question(
            " OR ".join(words),
            lambda one: any(_has(one, word) for word in words),
            " OR ".join(f"body:{word}" for word in words),
        )


def _words(one: Letter) -> Iterator[str]:
    yield from one.body
    yield from one.subject
    yield from _addresses(one)


def _has(one: Letter, word: str) -> bool:
    return word in one.body or word in one.subject or word in _addresses(one)


def _addresses(one: Letter) -> list[str]:
    return f"{one.sender}@{one.recipient}".replace(".", "@").split("@")


def _has_phrase(one: Letter, words: Sequence[str]) -> bool:
    size, wanted = len(words), list(words)
    return any(
        some[at : at + size] == wanted
        for some in (list(one.body), list(one.subject))
        for at in range(len(some) - size + 1)
    )


def _day(milliseconds: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d}"
