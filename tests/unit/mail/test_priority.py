"""What is bulk mail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.priority import LARGE, MANY_RECIPIENTS, bulk


def envelope(
    sender: str = "ann@site.test", recipients: int = 1, user: str | None = None
) -> Envelope:
    to = tuple(Recipient(f"r{number}@to.test") for number in range(recipients))
    return Envelope(sender, to, user=user)


PLAIN = b"Subject: hello\r\n\r\nPrecedence: bulk\r\nList-Id: <x>\r\n"


def test_what_a_person_sends_is_not() -> None:
    assert not bulk(envelope(), 2000, PLAIN)
    assert not bulk(envelope("", 1), 2000, PLAIN)
    assert not bulk(envelope(user="ann", recipients=50), 10 * LARGE, PLAIN)


@pytest.mark.parametrize(
    "field",
    [
        "Precedence: bulk",
        "PRECEDENCE:list",
        "precedence: \tJunk",
        "List-Id: a <b>",
        "List-Post: NO",
    ],
)
def test_the_header_says_so(field: str) -> None:
    start = f"Subject: x\r\n{field}\r\n\r\nbody".encode()
    assert bulk(envelope(user="ann"), 2000, start)


@pytest.mark.parametrize("field", ["Precedence: first-class", "X-Precedence: bulk", "Lists: x"])
def test_the_header_says_something_else(field: str) -> None:
    assert not bulk(envelope(), 2000, f"Subject: x\r\n{field}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "sender",
    ["owner-news@l.test", "news-bounces@l.test", "news-bounces+a=b@l.test", "x-request@l.test"],
)
def test_a_list_sent_it(sender: str) -> None:
    assert bulk(envelope(sender), 2000, PLAIN)


@given(st.integers(1, 200), st.integers(0, 100 * LARGE), st.booleans(), st.binary(max_size=200))
def test_more_recipients_or_bytes_never_make_it_less_bulk(
    recipients: int, size: int, user: bool, start: bytes
) -> None:
    sent = envelope(recipients=recipients, user="ann" if user else None)
    if recipients > 10 * MANY_RECIPIENTS or size > 10 * LARGE:
        assert bulk(sent, size, start)
    if bulk(sent, size, start):
        more = envelope(recipients=recipients + 1, user=sent.user)
        assert bulk(more, size + 1, start)
        assert bulk(envelope(recipients=recipients), size, start), "strangers are no better off"
