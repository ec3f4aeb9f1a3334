"""Rates of users, and what a change of settings leaves as it was."""

from __future__ import annotations

from appliance.config.policy import PolicySettings, RateSettings
from appliance.mail.restrictions import Attempt, Restrictions
from appliance.smtpd.guard import TOO_MANY_RECIPIENTS, TOO_MUCH_MAIL, Guard

RATES = RateSettings(messages_per_minute=1, user_messages_per_minute=2, user_recipients_per_hour=3)
HOUR = 3_600_000_000_000


def guard(now: list[int], rates: RateSettings = RATES) -> Guard:
    made = Guard(lambda: now[0])
    made.configure(PolicySettings(rates=rates), Restrictions(), ())
    return made


def test_a_user_is_counted_wherever_it_sends_from() -> None:
    made = guard([0])
    assert [made.message(client, "ann") for client in ("192.0.2.1", "192.0.2.2", "::1")] == [
        None,
        None,
        TOO_MUCH_MAIL,
    ]
    assert made.message("192.0.2.1", "bob") is None
    assert made.message("192.0.2.1", "") is None
    assert made.message("192.0.2.1", "") == TOO_MUCH_MAIL
    assert made.view().refused == {"rate": 2}


def test_recipients_of_a_user_come_back_within_the_hour() -> None:
    now = [0]
    made = guard(now)

    def taken() -> int:
        decisions = [
            made.decide(Attempt("192.0.2.1", "x", "", "ann", False), "a@b.test") for _ in range(5)
        ]
        told = {one.reply for one in decisions if one is not None}
        assert told <= {TOO_MANY_RECIPIENTS}
        return decisions.count(None)

    assert taken() == 3
    now[0] += HOUR // 3
    assert taken() == 1
    now[0] += HOUR
    assert taken() == 3


def test_other_settings_do_not_forget_what_was_counted() -> None:
    made = guard([0])
    assert made.message("192.0.2.1", "") is None
    made.configure(PolicySettings(reject_own_helo=False, rates=RATES), Restrictions(), ())
    assert made.message("192.0.2.1", "") == TOO_MUCH_MAIL
    made.configure(PolicySettings(), Restrictions(), ())
    assert made.message("192.0.2.1", "") is None
