"""Names and addresses leave as pseudonyms, everything else as it is."""

from __future__ import annotations

import re

import msgspec
import pytest

from appliance.report.content import Report
from appliance.report.pseudonyms import Redactor
from tests.unit.report.values import report

NAMES = {"ship7.example": "host", "a.ship7.example": "host", "alice": "user", "a": "host"}


def redactor(key: bytes = b"key") -> Redactor:
    return Redactor(key, NAMES, {"backup.target", "smtp.listen"}.__contains__)


@pytest.mark.parametrize(
    "text, gone",
    [
        ("to <alice@ship7.example>", ["alice", "ship7"]),
        ("from bob.b+tag@Mail.Elsewhere.ORG: said", ["bob", "Elsewhere"]),
        ("192.0.2.25:25 gets no mail", ["192.0.2.25"]),
        ("[2001:db8::1]:25 and 2001:DB8:0:0:0:0:0:1", ["2001:db8", "2001:DB8"]),
        ("relay mx.far.example[198.51.100.7]:25", ["far", "198.51"]),
        ("user Alice logged in", ["Alice"]),
        ("a.ship7.example says", ["ship7"]),
        ("networks 10.1.0.0/16", ["10.1.0.0"]),
        ("bücher.example.org", ["bücher"]),
    ],
)
def test_names_and_addresses_are_gone(text: str, gone: list[str]) -> None:
    told = redactor().text(text)
    for word in gone:
        assert word not in told


@pytest.mark.parametrize(
    "text",
    [
        "a node takes a message",
        "FPAJT1KPWQ0001 was held at 12:30:05, 3.54.1 and 0.1.0",
        "set backup.target in node.toml, see log/mail.log and docs/backup.md",
        "disk 61.2 GiB of 100.0 GiB free, −412.0 MiB a day",
        "2026-11-28 09:00 UTC: 4.4.1 451 ok",
        "malice is no name of ours; alicent neither",
        "twinpost-a-000001.backup: 3 messages",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redactor().text(text) == text


def test_the_same_name_has_the_same_pseudonym_by_the_same_key() -> None:
    first, second = redactor(), redactor()
    assert first.text("192.0.2.25") == second.text("192.0.2.25")
    assert first.text("MX.Far.example") == first.text("mx.far.EXAMPLE")
    assert first.text("2001:db8::1") == first.text("2001:DB8:0:0:0:0:0:1")
    assert first.text("alice@far.example").endswith("@" + first.text("far.example"))
    assert redactor(b"other").text("192.0.2.25") != first.text("192.0.2.25")


def test_what_pseudonyms_stand_for_is_gathered() -> None:
    found = redactor()
    told = found.text("alice@far.example at 192.0.2.25")
    user, host = told.split(" ")[0].split("@")
    assert found.used[user] == "alice"
    assert found.used[host] == "far.example"
    assert found.used[told.split(" ")[-1]] == "192.0.2.25"


def test_a_whole_report_is_redacted_and_stays_a_report() -> None:
    told = redactor().value(report())
    assert isinstance(told, Report)
    text = msgspec.json.encode(told).decode()
    assert not re.search(r"ship7|192\.0\.2\.", text)
    assert [one.value for one in told.figures] == [one.value for one in report().figures]
    assert told.nodes == ("a", "b")
    assert redactor().value(told) == told  # a pseudonym is no name
