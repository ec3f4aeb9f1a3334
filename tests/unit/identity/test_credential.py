"""What is kept of a password."""

from __future__ import annotations

import pytest

from appliance.identity import credential
from appliance.identity.credential import BadPassword


def test_a_password_fits_itself_only() -> None:
    made = credential.made("correct horse", 7)
    assert credential.fits(made.argon2, "correct horse")
    assert not credential.fits(made.argon2, "correct horsf")
    assert not credential.fits("no hash", "correct horse")
    assert credential.decoded(credential.encoded(made)) == made
    assert b"correct horse" not in credential.encoded(made)


def test_two_users_with_one_password_differ() -> None:
    one, two = credential.made("correct horse", 0), credential.made("correct horse", 0)
    assert one.argon2 != two.argon2
    assert one.scram.salt != two.scram.salt


@pytest.mark.parametrize("password", ["", "short", "x" * 257, "with\nnewline", "\ue000" * 9])
def test_passwords_that_are_none(password: str) -> None:
    with pytest.raises(BadPassword):
        credential.made(password, 0)


def test_what_nobody_can_read_lets_nobody_in() -> None:
    assert credential.decoded(b"") is None
    assert credential.decoded(b"\x93\xa1x\xc0\x00") is None


def test_generated_passwords_can_be_read_out() -> None:
    made = {credential.generated() for _ in range(100)}
    assert len(made) == 100
    assert all(len(one) == 19 and not set(one) & set("lo01") for one in made)
