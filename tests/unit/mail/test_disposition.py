"""What an answer means: only what is about the mail may bounce it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.disposition import Stage, Trouble, Verdict, judge, unreachable, with_status
from appliance.mail.reply import Reply
from appliance.mail.work import Result

DEFERRED, BOUNCED, DELIVERED = Result.DEFERRED, Result.BOUNCED, Result.DELIVERED


@pytest.mark.parametrize(
    "stage, said, result, reported, blames_hop",
    [
        (Stage.CONTENT, Reply(250, "", "ok"), DELIVERED, Reply(250, "2.0.0", "ok"), False),
        (
            Stage.CONTENT,
            Reply(250, "2.6.0", "queued"),
            DELIVERED,
            Reply(250, "2.6.0", "queued"),
            False,
        ),
        (Stage.RCPT, Reply(550, "", "who?"), BOUNCED, Reply(550, "5.1.1", "who?"), False),
        (Stage.RCPT, Reply(550, "5.7.1", "no"), BOUNCED, Reply(550, "5.7.1", "no"), False),
        (Stage.RCPT, Reply(550, "4.7.1", "no"), BOUNCED, Reply(550, "5.1.1", "no"), False),
        (Stage.MAIL, Reply(550, "", "no"), BOUNCED, Reply(550, "5.0.0", "no"), False),
        (Stage.CONTENT, Reply(554, "", "spam"), BOUNCED, Reply(554, "5.0.0", "spam"), False),
        (Stage.DATA, Reply(599, "", "?"), BOUNCED, Reply(599, "5.0.0", "?"), False),
        (Stage.RCPT, Reply(450, "", "grey"), DEFERRED, Reply(450, "4.2.0", "grey"), False),
        (Stage.CONTENT, Reply(452, "", "full"), DEFERRED, Reply(452, "4.3.1", "full"), False),
        (Stage.RCPT, Reply(499, "", "?"), DEFERRED, Reply(499, "4.0.0", "?"), False),
        (Stage.MAIL, Reply(421, "", "bye"), DEFERRED, Reply(421, "4.3.2", "bye"), True),
        (Stage.SESSION, Reply(450, "", "busy"), DEFERRED, Reply(450, "4.2.0", "busy"), True),
        # RFC 5321 §4.5.3.1.10, but a full mailbox stays a full mailbox
        (Stage.RCPT, Reply(552, "", "many"), DEFERRED, Reply(452, "4.5.3", "many"), False),
        (Stage.RCPT, Reply(550, "5.5.3", "many"), DEFERRED, Reply(452, "4.5.3", "many"), False),
        (Stage.RCPT, Reply(552, "5.2.2", "full"), BOUNCED, Reply(552, "5.2.2", "full"), False),
        (Stage.CONTENT, Reply(552, "", "big"), BOUNCED, Reply(552, "5.2.2", "big"), False),
        # about us, not about the mail
        (
            Stage.SESSION,
            Reply(554, "", "no SMTP here"),
            DEFERRED,
            Reply(451, "4.0.0", "refused for now: 554 5.0.0 no SMTP here"),
            True,
        ),
        (
            Stage.MAIL,
            Reply(530, "5.7.0", "log in"),
            DEFERRED,
            Reply(451, "4.7.0", "refused for now: 530 5.7.0 log in"),
            True,
        ),
        # not understood
        (
            Stage.CONTENT,
            Reply(354, "", "go on"),
            DEFERRED,
            Reply(451, "4.5.0", "unexpected reply to end of data: 354 go on"),
            True,
        ),
        (
            Stage.RCPT,
            Reply(999, "", "x"),
            DEFERRED,
            Reply(451, "4.5.0", "unexpected reply to RCPT TO: 999 x"),
            True,
        ),
    ],
)
def test_judge(
    stage: Stage, said: Reply, result: Result, reported: Reply, blames_hop: bool
) -> None:
    assert judge(said, stage) == Verdict(result, reported, blames_hop)


@pytest.mark.parametrize("code", [421, 454, 530, 534, 535, 538])
def test_some_codes_are_about_the_next_hop_wherever_they_come(code: int) -> None:
    verdict = judge(Reply(code, "", "text"), Stage.RCPT)
    assert (verdict.result, verdict.blames_hop) == (DEFERRED, True)


@pytest.mark.parametrize(
    "code, status",
    [
        (450, "4.2.0"),
        (451, "4.3.0"),
        (455, "4.5.4"),
        (500, "5.5.2"),
        (503, "5.5.1"),
        (504, "5.5.4"),
        (521, "5.3.2"),
        (551, "5.1.6"),
        (553, "5.1.3"),
        (556, "5.1.10"),
        (498, "4.0.0"),
        (598, "5.0.0"),
        (251, "2.0.0"),
    ],
)
def test_status_made_up_from_the_code(code: int, status: str) -> None:
    assert with_status(Reply(code, "", "text"), Stage.MAIL) == Reply(code, status, "text")


def test_no_reply_is_transient() -> None:
    for trouble in Trouble:
        reply = unreachable(trouble, "connection refused")
        assert (reply.code, reply.permanent) == (451, False)
        assert reply.enhanced.startswith("4.")


@given(
    st.integers(-1, 1000),
    st.sampled_from(["", "2.0.0", "4.1.1", "5.1.1", "5.5.3"]),
    st.sampled_from(Stage),
)
def test_laws(code: int, enhanced: str, stage: Stage) -> None:
    verdict = judge(Reply(code, enhanced, "text"), stage)
    assert verdict.result in (DELIVERED, DEFERRED, BOUNCED)
    if verdict.result is BOUNCED:
        assert 500 <= code < 600
        assert stage is not Stage.SESSION
        assert not verdict.blames_hop
    if verdict.result is DELIVERED:
        assert 200 <= code < 300
        assert stage is Stage.CONTENT
    if verdict.result is DEFERRED:
        assert not verdict.reply.permanent
    # The reported code and its status always say the same class (RFC 3463 §2).
    assert verdict.reply.enhanced[0] == str(verdict.reply.code)[0]
    assert with_status(verdict.reply, stage) == verdict.reply
