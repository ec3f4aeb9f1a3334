"""Alarms about certificates and the clock."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from appliance.control.schema import Severity
from appliance.control.tls_alarms import tls_alarms
from appliance.mail.views import TlsView
from tests.support.control import CERTIFICATE, TLS


def names(view: TlsView) -> list[str]:
    return [alarm.name for alarm in tls_alarms(view)]


def test_all_is_well() -> None:
    assert names(TLS) == []


@pytest.mark.parametrize(
    "change, alarm",
    [
        ({"clock": "it shows 1970-01-01"}, "clock_implausible"),
        ({"certificate": None}, "no_certificate"),
        ({"certificate": replace(CERTIFICATE, days_left=29)}, "certificate_ends"),
        ({"authority": replace(CERTIFICATE, days_left=300)}, "authority_ends"),
        ({"problems": ("certificate: no certificate in PEM",)}, "tls_unusable"),
    ],
)
def test_each_has_an_alarm(change: dict[str, object], alarm: str) -> None:
    assert names(replace(TLS, **change)) == [alarm]


def test_a_certificate_that_has_ended_is_worse() -> None:
    view = replace(TLS, certificate=replace(CERTIFICATE, days_left=-3), imported=True)
    (alarm,) = tls_alarms(view)
    assert alarm.severity is Severity.CRITICAL
    assert "ended 3 days ago" in alarm.text
    assert "twinpost tls import" in alarm.hint
