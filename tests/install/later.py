"""Releases to come, made of a checkout: with a migration and a kind of record; and such as fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Patch = Mapping[str, Sequence[tuple[str, str]]]
KIND = 10

NOTES: Patch = {
    "appliance/spool/schema.py": [
        ("VERSION = 3\n", "VERSION = 4\n"),
        (
            '  PRIMARY KEY(inc, seq));\n""",\n}',
            '  PRIMARY KEY(inc, seq));\n""",\n'
            '    3: """\n'
            "CREATE TABLE note(key INTEGER PRIMARY KEY, text TEXT NOT NULL);\n"
            "ALTER TABLE message ADD COLUMN since_when INTEGER NOT NULL DEFAULT 4;\n"
            "UPDATE message SET since_when = 3;\n"
            '""",\n}',
        ),
    ],
    "appliance/replica/record.py": [
        (
            "class Foreign(",
            f"class Noted(msgspec.Struct, frozen=True, array_like=True, tag={KIND}):\n"
            '    """Something to be remembered of a message."""\n\n'
            "    queue_id: str\n    text: str\n\n\nclass Foreign(",
        ),
        ("    | Foreign\n", "    | Foreign\n    | Noted\n"),
        ("KINDS = BASE | {SITE, REGISTER}", f"KINDS = BASE | {{SITE, REGISTER, {KIND}}}"),
    ],
    "appliance/spool/store.py": [
        ("    Logged,\n", "    Logged,\n    Noted,\n"),
        (
            "            case Claimed():\n",
            "            case Noted():\n"
            "                key = key_of(record.queue_id, self.journal)\n"
            "                self._db.execute(\n"
            '                    "INSERT OR REPLACE INTO note(key, text) VALUES(?, ?)",\n'
            "                    (key, record.text),\n"
            "                )\n"
            "            case Claimed():\n",
        ),
    ],
    "appliance/spool/batch.py": [
        ("import Record\n", "import Noted, Record\n"),
        (
            "        self.records.append(self._owner.accepted(accept))\n",
            "        self.records.append(self._owner.accepted(accept))\n"
            f"        if {KIND} in (self._owner._store.peer_words.kinds or ()):\n"
            '            self.records.append(Noted(accept.queue_id, "noted"))\n',
        ),
    ],
}
"""Writes a `Noted` for each message, once the peer understands that."""

SICK: Patch = {
    "appliance/services/mail.py": [
        (
            "    layout, settings = context.layout, context.node\n    identity",
            '    raise RuntimeError("this release is sick")\n'
            "    layout, settings = context.layout, context.node\n    identity",
        )
    ],
}
"""Its mail process never serves."""

UNMIGRATABLE: Patch = {
    "appliance/spool/schema.py": [
        ("VERSION = 4\n", "VERSION = 5\n"),
        (
            'since_when = 3;\n""",\n}',
            'since_when = 3;\n""",\n    4: \'UPDATE message SET nothing = 1;\',\n}',
        ),
    ],
}
"""On top of NOTES: its migration ends in the middle."""


def apply(checkout: Path, *patches: Patch) -> None:
    """Change the files of a checkout; each place is there exactly once."""
    for patch in patches:
        for name, changes in patch.items():
            path = checkout / name
            text = path.read_text("utf-8")
            for old, new in changes:
                assert text.count(old) == 1, (name, old, text.count(old))
                text = text.replace(old, new)
            path.write_text(text, "utf-8")
