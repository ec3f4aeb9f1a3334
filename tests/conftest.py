"""Settings for every test: each run draws the same examples, and no test is timed.

What the lab of namespaces measured is printed after all tests.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.netns import report

settings.register_profile(
    "same-every-run",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("same-every-run")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (one for some in terminalreporter.stats.values() for one in some)
    told = [
        each
        for one in reports
        if isinstance(one, pytest.TestReport) and one.when == "call"
        for each in one.user_properties
    ]
    if printed := report.lines(told):
        terminalreporter.section("pairs in network namespaces")
        for line in printed:
            terminalreporter.write_line(line)
