"""The recipient validation cache: what is kept for how long, and when it is looked for again."""

from __future__ import annotations

from appliance.mail.reply import Reply
from appliance.mail.verdicts import Terms, Verdicts

NO = Reply(550, "5.1.1", "no")
MINUTE = 60_000_000_000


def verdicts(capacity: int = 10) -> Verdicts:
    return Verdicts(Terms(positive=10 * MINUTE, negative=4 * MINUTE, capacity=capacity))


def test_a_yes_and_a_no_for_as_long_as_they_hold() -> None:
    cache = verdicts()
    assert cache.look("a", 0) is None
    cache.learn("a", None, 0)
    cache.learn("b", NO, 0)
    good, bad = cache.look("a", MINUTE), cache.look("b", MINUTE)
    assert good is not None
    assert bad is not None
    assert (good.refusal, good.refresh) == (None, 5 * MINUTE)
    assert (bad.refusal, bad.refresh) == (NO, 2 * MINUTE)
    assert cache.look("b", 4 * MINUTE) is None
    assert cache.look("a", 10 * MINUTE - 1) is not None
    assert cache.look("a", 10 * MINUTE) is None
    assert (cache.hits, cache.misses) == (3, 3)


def test_silence_takes_nothing_away_and_is_remembered_for_a_minute() -> None:
    cache = verdicts()
    cache.learn("a", None, 0)
    cache.silence("a", 6 * MINUTE)
    known = cache.look("a", 6 * MINUTE)
    assert known is not None
    assert known.known
    assert known.refresh == 7 * MINUTE
    cache.silence("b", 0)
    unknown = cache.look("b", MINUTE - 1)
    assert unknown is not None
    assert not unknown.known
    assert cache.look("b", MINUTE) is None
    assert (cache.hits, cache.misses) == (1, 2)


def test_bounded_and_the_longest_unasked_goes_first() -> None:
    cache = verdicts(capacity=2)
    cache.learn("a", None, 0)
    cache.learn("b", NO, 0)
    cache.look("a", 1)
    cache.learn("c", NO, 1)
    assert len(cache) == 2
    assert cache.peek("a", 1) is not None
    assert cache.peek("b", 1) is None
    assert cache.refusals == 1
    cache.learn("c", None, 1)
    assert (len(cache), cache.refusals) == (2, 0)
