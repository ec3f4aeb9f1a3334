"""Updates: the helper only begins them; `twinpost-update.service` carries them out.

What comes from the node's user is a file at a fixed place, which is copied and verified by the key
that root trusts, and whether the node may be without its peer. An older release it can't ask for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from appliance.ipc.machine_updates import GoBack, StartUpdate, UpdateBegun
from appliance.machine.helper import HelperError, Operation, Tell
from bundle.errors import Refused
from bundle.update import Updater

_PATIENCE = 60.0
_BY = "the control API"


class Updates:
    """The handlers."""

    def __init__(
        self, bundle: Path, updater: Callable[[], Updater], go_on: Callable[[], None]
    ) -> None:
        """`bundle`: where what was received lies. `go_on`: has systemd carry out what is noted."""
        self._bundle = bundle
        self._updater = updater
        self._go_on = go_on

    def operations(self) -> Sequence[Operation[Any]]:
        """Those of this family."""
        return (
            Operation(StartUpdate, self.start, _PATIENCE, changes=True),
            Operation(GoBack, self.back, _PATIENCE, changes=True),
        )

    async def start(self, asked: StartUpdate, tell: Tell) -> UpdateBegun:
        def note(updater: Updater) -> None:
            updater.request(
                str(self._bundle), alone=asked.while_alone, allow_downgrade=False, by=_BY
            )

        return await asyncio.to_thread(self._begin, note)

    async def back(self, asked: GoBack, tell: Tell) -> UpdateBegun:
        return await asyncio.to_thread(self._begin, lambda updater: updater.request_back(_BY))

    def _begin(self, note: Callable[[Updater], None]) -> UpdateBegun:
        updater = self._updater()
        try:
            note(updater)
            self._go_on()
            state = updater.ledger.read()
        except Refused as error:
            raise HelperError(str(error), error.hint) from None
        return UpdateBegun(state.began if state is not None else 0)
