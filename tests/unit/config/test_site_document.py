"""The site's document: what is written into a version reads back, and only what was set."""

from __future__ import annotations

import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import ConfigError, toml
from appliance.config.document import parse
from appliance.config.site import SiteSettings
from appliance.config.site_document import (
    Change,
    changes,
    decoded,
    encoded,
    exported,
    in_force,
    raw,
)

SITE = """\
domains = ["site.test", "example.test"]
postmaster = "alice"

[users.alice]
[users.bob]
mailbox = "shared"
addresses = ["bob@site.test", '"odd one"@site.test']
disabled = true

[limits]
message_size = "10MiB"
recipients = 1000

[retry]
first = ["1s", "2s"]
growth = 3.0

[routes]
"*" = { transport = "smtp", next_hops = ["127.0.0.1:2600", "[::1]:25"] }
".away.test" = { transport = "hold" }
"""


def site(text: str = SITE) -> SiteSettings:
    return parse(text, SiteSettings, "site.toml")


def test_a_document_reads_back() -> None:
    assert decoded(encoded(site()), "version 1") == site()


def test_a_document_says_only_what_was_set() -> None:
    document = raw(encoded(site('domains = ["site.test"]\n[limits]\nrecipients = 1000')), "x")
    assert document == {"domains": ["site.test"]}


def test_the_same_settings_are_the_same_document() -> None:
    other = 'postmaster = "alice"\ndomains = ["site.test"]\n[users.bob]\n[users.alice]'
    one = 'domains = ["site.test"]\npostmaster = "alice"\n[users.alice]\n[users.bob]'
    assert encoded(site(one)) == encoded(site(other))


def test_an_export_can_be_imported() -> None:
    text = exported(site())
    assert site(text) == site()
    assert text.startswith('domains = ["site.test", "example.test"]\n')


@pytest.mark.parametrize("document", [b"", b"[]", b"{", b"\xff", b'{"domains": 1}'])
def test_what_is_no_document(document: bytes) -> None:
    with pytest.raises(ConfigError):
        decoded(document, "version 3")


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        decoded(b'{"domains": ["site.test"], "user": {}}', "version 3")
    (problem,) = caught.value.problems
    assert (problem.file, problem.key, problem.hint) == (
        "version 3",
        "user",
        "did you mean 'users'?",
    )


def test_what_differs() -> None:
    before = raw(encoded(site()), "x")
    text = SITE.replace('mailbox = "shared"\n', "").replace("10MiB", "20MiB") + "\n[users.carol]"
    after = raw(encoded(site(text)), "x")
    assert changes(before, after) == (
        Change("limits.message_size", '"10MiB"', '"20MiB"'),
        Change("users.bob.mailbox", '"shared"', None),
        Change("users.carol", None, "{}"),
    )
    assert not changes(before, before)


def test_who_is_disabled_in_a_branch_stays_so() -> None:
    head = site('domains = ["site.test"]\n[users.alice]\n[users.bob]')
    branch = site('domains = ["site.test"]\n[users.bob]\ndisabled = true\n[users.gone]')
    applied = in_force(head, [branch])
    assert applied.users["bob"].disabled
    assert not applied.users["alice"].disabled
    assert applied.users.keys() == head.users.keys()
    assert in_force(head, [head]) is head


names = st.text(max_size=4)
scalars = st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False)
leaves = scalars | names
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(names, values, max_size=4))
def test_whatever_is_written_as_toml_reads_back(document: dict[str, object]) -> None:
    assert tomllib.loads(toml.written(document)) == document


def test_nothing_steers_a_terminal() -> None:
    text = toml.written({"key": "\x1b[2J\x7f\x9b1m\u202e é"})
    assert text == 'key = "\\u001b[2J\\U0000007f\\U0000009b1m\\U0000202e é"\n'


def test_what_toml_has_not() -> None:
    with pytest.raises(TypeError):
        toml.written({"key": None})


def test_every_default_is_left_out() -> None:
    """A new table whose default does not read back as itself would be in every document."""
    bare = SiteSettings(domains=site().domains)
    for field in msgspec.structs.fields(SiteSettings):
        if not field.required:
            assert field.encode_name not in raw(encoded(bare), "x")
