"""What was answered at the first boot so far, and which way it leads."""

from __future__ import annotations

from typing import Any

Answers = dict[str, Any]


class Mistake(Exception):
    """What was typed makes no sense; `hint` says what does."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def said(answers: Answers, *path: str) -> str:
    """The text at the end of `path`, "" while there is none."""
    found: Any = answers
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def joins(answers: Answers) -> bool:
    """Whether the other node has the pair's settings."""
    return bool(answers.get("pair") == "join")


def restores(answers: Answers) -> bool:
    """Whether a backup has all but this machine's own settings."""
    return bool(answers.get("pair") == "restore")


def begins(answers: Answers) -> bool:
    """Whether the site's settings are made here."""
    return not joins(answers) and not restores(answers)


def cleaned(answers: Answers) -> Answers:
    """Without what belongs to a way that was not taken in the end."""
    gone = ["join"] * (not joins(answers)) + ["restore"] * (not restores(answers))
    if joins(answers):
        gone.append("virtual")
    if not begins(answers):
        gone += ["domain", "administrator"]
    return {name: one for name, one in answers.items() if name not in gone}
