"""Passwords on the command line: typed unseen, read from a pipe, or made here."""

from __future__ import annotations

import sys

import click

from appliance.cli.errors import CliError, Exit

_LONGEST = 4096


def new_password(stdin: bool, generate: bool) -> str:
    """A password that somebody chose; raises CliError."""
    if stdin and generate:
        raise click.UsageError("either --stdin or --generate")
    if generate:
        from appliance.identity.credential import generated

        return generated()
    if stdin:
        line = sys.stdin.readline(_LONGEST).rstrip("\r\n")
        if not line:
            raise CliError("standard input is empty", "one line: the password", Exit.NO_INPUT)
        return line
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
