"""Calls of whoever sets a node up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.control.client_monitor import Asks
from appliance.control.schema import Done
from appliance.control.schema_setup import (
    AnswersView,
    CheckList,
    CheckView,
    GivenAnswers,
    SetupCheck,
    SetupView,
)


class SetupCalls:
    """What a client asks about the machine."""

    def setup(self: Asks, backups: bool = False) -> SetupView:
        """What is set up, and what this machine is; with `backups` those on sticks, too."""
        return self._get("/setup?backups=1" if backups else "/setup", SetupView)

    def check_setup(self: Asks, address: str = "", peer: str = "") -> Sequence[CheckView]:
        """Look whether an address is free, and whether host:port answers. Takes seconds."""
        return self._post("/setup/check", SetupCheck(address, peer), CheckList).checks

    def give_answers(self: Asks, answers: Mapping[str, Any], step: str) -> AnswersView:
        """Keep the answers given so far, and look at those of a step. Takes seconds."""
        return self._post("/setup/answers", GivenAnswers(dict(answers), step), AnswersView)

    def set_up(self: Asks, answers: Mapping[str, Any]) -> str:
        """Make a node of this machine; returns what happened. Takes up to a minute."""
        return self._post("/setup", GivenAnswers(dict(answers)), Done).text
