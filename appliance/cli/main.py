"""`twinpost`: finds the command and loads no more than that."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence

import click

from appliance.cli.errors import CliError, Exit

_EPILOG = (
    "Exit codes: 0 done, 1 the answer is no, 64 wrong usage, 69 node not running, "
    "75 try again later, 78 settings wrong; all in docs/exit-codes.md."
)

# command → (module in appliance.cli, one line); modules are loaded only when they are called.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("demo", "Run a pair on this machine and watch it."),
    "node": ("node", "Run one node: its services, watched and started again."),
    "service": ("service", "Run one service of a node."),
    "console": ("console", "Watch and run the pair in this terminal."),
    "status": ("status", "Show how the node and its pair are."),
    "send": ("send", "Send mail by SMTP: a file, standard input, or an mbox."),
    "queue": ("queue", "Look at the queue and change it."),
    "track": ("track", "Where is my mail? Its story on both nodes."),
    "logs": ("logs", "What both nodes did: events, filtered, followed."),
    "audit": ("audit", "Who changed what."),
    "search": ("search", "Find mail by its text."),
    "alerts": ("alerts", "What is not as it should be, on both nodes."),
    "metrics": ("metrics", "Figures of the last 90 days."),
    "mailbox": ("mailbox", "Look at mailboxes and export them."),
    "pair": ("pair", "Join two nodes, replace one, take over."),
    "failover": ("failover", "See which node holds the virtual addresses, and why."),
    "switchover": ("switchover", "Leave the virtual addresses to the other node."),
    "maintenance": ("maintenance", "Keep the virtual addresses away from this node."),
    "balance": ("balance", "See how clients are spread over the nodes, and change it."),
    "backup": ("backup", "Make encrypted backups, check them; recovery keys."),
    "restore": ("restore", "Make a new node from a backup."),
    "job": ("job", "What the node does by itself: see when, and run it now."),
    "update": ("update", "Another release: verified, tried, and taken back if it fails."),
    "report": ("report", "How the pair is, as a signed file for others."),
    "machine": ("machine", "The machine under the node: clock, network, sticks, power."),
    "salvage": ("salvage", "Take over the mail on the disk of a dead node."),
    "route": ("route", "See where mail goes; pause a domain or next hop, and resume it."),
    "policy": ("policy", "Restrictions, rates, verified recipients: see what they did."),
    "tls": ("tls", "Certificates: show, import, export, renew."),
    "user": ("user", "Users: who has a mailbox, and may send."),
    "operator": ("operator", "Operators: who may see and change what at the console."),
    "alias": ("alias", "Aliases: addresses that stand for others."),
    "config": ("config", "Settings: check, show, export, change, go back."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"appliance.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="twinpost", prog_name="twinpost")
def twinpost() -> None:
    """Highly available e-mail for places with no internet: two nodes, one mail system."""


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code. Errors are told on standard error."""
    try:
        result = twinpost.main(list(arguments), prog_name="twinpost", standalone_mode=False)
        return int(result or Exit.OK)
    except CliError as error:
        _tell(str(error), error.hint)
        return error.code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return Exit.USAGE
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "twinpost"
        _tell(error.format_message(), f"see `{where} --help`")
        return Exit.USAGE
    except click.ClickException as error:
        _tell(error.format_message(), "")
        return Exit.NO_INPUT
    except (click.Abort, KeyboardInterrupt):
        _tell("interrupted", "")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe left (`… | head`): nothing is wrong, nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _tell(f"{where}{error.strerror or error}", "look at the path, its owner and the disk")
        return Exit.NO_PERMISSION if isinstance(error, PermissionError) else Exit.IO_ERROR
    except Exception:
        # A bug, whatever it is. Python would end with 1, which means that the answer is no.
        traceback.print_exc()
        _tell("an error in Twinpost itself", "please report it, with the lines above")
        return Exit.SOFTWARE


def _tell(what: str, hint: str) -> None:
    lines = [line for line in what.splitlines() if line]
    click.echo("twinpost: " + "\n  ".join(lines), err=True)
    if hint:
        click.echo(f"  → {hint}", err=True)


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))
