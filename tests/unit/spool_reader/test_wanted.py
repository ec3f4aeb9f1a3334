"""The text of a queue filter: any part of an address, or the beginning of a queue id."""

from __future__ import annotations

import pytest

from appliance.mail.views import QueueFilter, RecipientStatus, RecipientView
from appliance.spool.wanted import Wanted

VIEW = RecipientView(
    index=0, address="Bob@Port.test", original="office@line.test", status=RecipientStatus.HELD
)


@pytest.mark.parametrize(
    "text, meant",
    [
        ("", True),
        ("bob@", True),
        ("port.T", True),
        ("office", True),
        ("ANNA", True),
        ("q99a", True),
        ("99a", False),
        ("carol", False),
    ],
)
def test_text(text: str, meant: bool) -> None:
    wanted = Wanted(QueueFilter(text=text))
    everyone = wanted.everyone("Q99AZE", "anna@ship.test")
    assert wanted.recipient(VIEW, everyone) is meant


def test_text_and_status_both_have_to_fit() -> None:
    wanted = Wanted(QueueFilter(text="anna", status=(RecipientStatus.DEFERRED,)))
    assert not wanted.recipient(VIEW, wanted.everyone("Q99AZE", "anna@ship.test"))
