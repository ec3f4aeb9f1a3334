"""Makes a recovery key: shown once, to be copied on paper, and part of it typed again from there.

Only then the site hears of it, and never of the key itself: so no backup is made for a key that
nobody has.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from textual.content import Content

from appliance.control.schema_backups import NewRecoveryKey
from tui.dialogs import Question
from tui.listing import said

if TYPE_CHECKING:
    from tui.page import Page

_ASKED = 2
"""Groups that are typed again."""


async def make(page: Page) -> None:
    """Ask and show what it takes, in a worker; anything but the last yes leaves all as it is."""
    from appliance.backup.recovery import SECRET_LENGTH, RecoveryKey  # slow to import

    comment = await page.ask(
        Question(
            "New recovery key",
            Content(
                "Backups can be read with a recovery key only, and it is on paper only. You will "
                "see it once: have pen and paper ready, and keep the paper away from the nodes. "
                "Backups made from then on are for this key, too."
            ),
            "Show it",
            field="Where will the paper lie?",
        )
    )
    if comment is None:
        return
    key = RecoveryKey(os.urandom(SECRET_LENGTH))
    groups, recipient = str(key).split("-"), key.recipient()
    if await page.ask(_shown(recipient.id, groups)) is None:
        return
    asked = sorted(secrets.SystemRandom().sample(range(len(groups)), _ASKED))
    if await page.ask(_repeated(groups, asked)) is None:
        return
    new = NewRecoveryKey(recipient.public, recipient.maker, comment.strip())
    await page.do(lambda client: client.add_recovery_key(new), said)


def _shown(name: str, groups: list[str]) -> Question:
    rows = [" - ".join(groups[start : start + 4]) for start in range(0, len(groups), 4)]
    return Question(
        f"Recovery key {name}",
        Content.assemble(
            "Write it on paper, all groups in order, with the name above:\n\n",
            ("\n".join(rows), "bold"),
            "\n\nIt is not shown again. Nobody can read a backup without it.",
        ),
        "It is on paper",
    )


def _repeated(groups: list[str], asked: list[int]) -> Question:
    wanted = "".join(groups[index] for index in asked)

    def wrong(typed: str) -> str:
        plain = "".join(one for one in typed.upper() if one.isalnum())
        told = plain.translate(str.maketrans("OIL", "011"))
        return "" if told == wanted else "that is not what was shown: look at your paper"

    numbers = " and ".join(str(index + 1) for index in asked)
    return Question(
        "New recovery key",
        Content("Read it from your paper: only a key that is there is of use."),
        "Use the key",
        field=f"Groups {numbers}:",
        check=wrong,
    )
