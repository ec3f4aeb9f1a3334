"""`twinpost user import` and `alias import`: many at once, from CSV."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, node_client
from appliance.cli.output import counted

if TYPE_CHECKING:
    from appliance.control.schema import AliasView, NewUser

Function = TypeVar("Function", bound=Callable[..., Any])

_AT_ONCE = 500
"""Users in one version of the site: hashing their passwords takes half a minute."""
_USER_COLUMNS = ("name", "password", "addresses", "mailbox", "may_send_as")
_ALIAS_COLUMNS = ("address", "to")


def while_alone_option(function: Function) -> Function:
    """--while-alone: change what the other node can't be told of now."""
    return click.option(
        "--while-alone",
        is_flag=True,
        help="Also if the other node is not there: what is changed on both sides may be lost.",
    )(function)


@click.command("import")
@data_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--skip-existing", is_flag=True, help="Leave users that are there as they are.")
@click.option(
    "--passwords",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Make passwords for users without, and write name and password to this new file.",
)
@while_alone_option
def users(
    data: Path, file: Path, skip_existing: bool, passwords: Path | None, while_alone: bool
) -> None:
    """Add the users in a CSV file.

    Its first line names the columns: name, and as far as wanted password, addresses, mailbox,
    may_send_as. Several addresses in one cell are separated by spaces.
    """
    from appliance.control.schema import AddUsers

    wanted = [_user(row, line, file) for line, row in _rows(file, _USER_COLUMNS, "name")]
    client = node_client(data, None)
    with node_errors():
        there = {one.name for one in client.users()}
        clash = sorted(one.name for one in wanted if one.name in there)
        if clash and not skip_existing:
            raise CliError(
                f"{counted(len(clash), 'user')} of these there already: {', '.join(clash[:5])}",
                "nothing was changed; --skip-existing adds the others",
                Exit.NEGATIVE,
            )
        wanted = [one for one in wanted if one.name not in there]
        if passwords is not None:
            wanted = _with_passwords(wanted, passwords)
        for some in _portions(wanted):
            client.add_users(AddUsers(tuple(some), f"imports {file.name}", while_alone))
            click.echo(f"{counted(len(some), 'user')} added", err=True)
    click.echo(f"{counted(len(wanted), 'user')} added, {counted(len(clash), 'user')} left as is")


@click.command("import")
@data_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Aliases that are there are replaced.")
@while_alone_option
def aliases(data: Path, file: Path, replace: bool, while_alone: bool) -> None:
    """Add the aliases in a CSV file, all or none.

    Its first line names the columns: address, to. Several targets are separated by spaces.
    """
    from appliance.control.schema import AddAliases

    wanted = tuple(_alias(row) for _, row in _rows(file, _ALIAS_COLUMNS, "address"))
    client = node_client(data, None)
    with node_errors():
        client.add_aliases(AddAliases(wanted, replace, f"imports {file.name}", while_alone))
    click.echo(f"{counted(len(wanted), 'alias', 'aliases')} added")


def _user(row: Mapping[str, str], line: int, file: Path) -> NewUser:
    from appliance.control.schema import NewUser

    if not row["name"]:
        raise _bad(file, line, "a user needs a name")
    return NewUser(
        name=row["name"],
        mailbox=row.get("mailbox", ""),
        addresses=tuple(row.get("addresses", "").split()) or None,
        may_send_as=tuple(row.get("may_send_as", "").split()),
        password=row.get("password") or None,
    )


def _alias(row: Mapping[str, str]) -> AliasView:
    from appliance.control.schema import AliasView

    return AliasView(row["address"], tuple(row.get("to", "").split()))


def _with_passwords(wanted: Sequence[NewUser], path: Path) -> list[NewUser]:
    """Write the passwords before anybody has them: a file that can't be written stops it all."""
    import msgspec

    from appliance.identity.credential import generated

    made = [
        one if one.password else msgspec.structs.replace(one, password=generated())
        for one in wanted
    ]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise CliError(f"{path} exists already", "name another one", Exit.CANNOT_WRITE) from None
    with open(descriptor, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("name", "password"))
        pairs = zip(wanted, made, strict=True)
        rows.writerows((new.name, new.password) for old, new in pairs if not old.password)
    return made


def _rows(file: Path, known: Sequence[str], needed: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(line, columns) of a CSV file; raises CliError."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = csv.DictReader(opened, strict=True)
            columns = rows.fieldnames or ()
            strange = [one for one in columns if one not in known]
            if strange or needed not in columns:
                told = f"unknown column {strange[0]!r}" if strange else f"no column {needed!r}"
                raise _bad(file, 1, f"{told}; known: {', '.join(known)}")
            for row in rows:
                if None in row or None in row.values():
                    raise _bad(file, rows.line_num, "not as many cells as columns")
                yield rows.line_num, {name: cell.strip() for name, cell in row.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file}: {error}", "name a file in UTF-8", Exit.NO_INPUT) from None
    except csv.Error as error:
        raise _bad(file, 0, str(error)) from None


def _bad(file: Path, line: int, what: str) -> CliError:
    return CliError(f"{file}:{line}: {what}", "nothing was changed", Exit.BAD_DATA)


def _portions(users: Sequence[NewUser]) -> Iterator[Sequence[NewUser]]:
    for start in range(0, len(users), _AT_ONCE):
        yield users[start : start + _AT_ONCE]
