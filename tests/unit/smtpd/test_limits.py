"""Limits that would break the protocol are refused, with a hint."""

from __future__ import annotations

import pytest

from appliance.config.document import ConfigError, parse
from appliance.config.limits import Limits


def test_limits_are_written_with_units() -> None:
    limits = parse('message_size = "10MiB"\ndata_timeout = "2m"\nerrors = 5', Limits, "site.toml")
    assert (limits.message_size, limits.data_timeout.seconds, limits.errors) == (10 << 20, 120, 5)
    assert Limits().message_size == 50 << 20


@pytest.mark.parametrize(
    "setting",
    [
        'message_size = "1KiB"',
        "recipients = 99",
        "connections = 0",
        "connections_per_client = 0",
        "messages_per_connection = 0",
        "idle_commands = 0",
        "errors = -1",
        "command_line = 512",
        "text_line = 999",
        'command_timeout = "0s"',
        'close_timeout = "0s"',
    ],
)
def test_limits_below_what_the_standard_asks_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(setting, Limits, "site.toml")
    assert setting.split(" ")[0] in str(error.value)
    assert "or more" in str(error.value)
