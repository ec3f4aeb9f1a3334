"""`twinpost send`: mail into any SMTP server, ours or another."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit
from appliance.cli.options import json_option
from appliance.cli.output import bytes_text, counted, safe, show_json

if TYPE_CHECKING:
    from gzip import GzipFile

    from appliance.cli.sender import Mail, Sent

_SHOWN_FAILURES = 20
_LARGEST = 256 << 20


@dataclass
class _Tally:
    """What a run came to; one line for each message is for a person, so only if they are few."""

    taken: int = 0
    queue_ids: list[str] = field(default_factory=list)
    failed: list[Sent] = field(default_factory=list)

    def add(self, sent: Sent) -> None:
        if sent.taken:
            self.taken += 1
        else:
            self.failed.append(sent)
        if sent.queue_id:
            self.queue_ids.append(sent.queue_id)

    def exit_code(self) -> Exit:
        if not self.failed:
            return Exit.OK
        if not self.taken and all(one.code == 0 for one in self.failed):
            return Exit.UNAVAILABLE
        for_good = any(one.code >= 500 or one.refused for one in self.failed)
        return Exit.NEGATIVE if for_good else Exit.TEMPORARY


@click.command()
@json_option
@click.option(
    "--server", default="127.0.0.1:25", show_default=True, metavar="HOST:PORT", help="Where to."
)
@click.option("--from", "sender", metavar="ADDRESS", help='Envelope sender; "" is the null sender.')
@click.option("--to", "recipients", multiple=True, metavar="ADDRESS", help="Recipient; repeatable.")
@click.option("--mbox", is_flag=True, help="FILE is an mbox (mboxrd): send every message of it.")
@click.option(
    "--connections",
    default=4,
    show_default=True,
    type=click.IntRange(1, 200),
    help="Connections at the same time.",
)
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for the server.")
@click.argument(
    "file", default="-", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path)
)
def command(
    as_json: bool,
    server: str,
    sender: str | None,
    recipients: tuple[str, ...],
    mbox: bool,
    connections: int,
    timeout: float,
    file: Path,
) -> int:
    """Send a message by SMTP, or every message of an mbox (.gz too).

    FILE is a message as it is (.eml), standard input if not given. Sender and recipients come
    from its header fields unless --from and --to name them. Exit code 0 only if every message
    got its 250 for every recipient.
    """
    from appliance.cli.sender import Pool

    host, port = _server(server)
    tally = _Tally()
    with ExitStack() as stack:
        contents, position, size = _contents(file, mbox, stack)
        mails = (_mail(content, sender, recipients) for content in contents)
        pool = stack.enter_context(Pool(host, port, connections if mbox else 1, timeout))
        advance = _progress(stack, size if mbox else 0, position)
        for sent in pool.send(mails):
            tally.add(sent)
            advance()
    if as_json:
        show_json(_summary(tally))
    else:
        _report(tally, server)
    return tally.exit_code()


def _server(text: str) -> tuple[str, int]:
    """Address and port; a name is looked up in the hosts file, as a node would do it."""
    from appliance.config.units import Endpoint, Wrong
    from appliance.delivery.resolve import HostsFile

    try:
        endpoint = Endpoint.parse(text)
    except Wrong as error:
        raise click.UsageError(f"--server {error}: {error.hint}") from None
    addresses = HostsFile().addresses(endpoint.host)
    if not addresses:
        hint = "DNS is not asked: write its IP address, or add it to /etc/hosts"
        raise CliError(f"{endpoint.host} is not known here", hint, Exit.UNAVAILABLE)
    return addresses[0], endpoint.port


def _contents(
    file: Path, mbox: bool, stack: ExitStack
) -> tuple[Iterator[bytes], Callable[[], int], int]:
    """(the messages, how far they are read, how far there is to read)."""
    from appliance.cli.mbox import canonical, open_mail, read_mbox

    if str(file) == "-":
        lines = sys.stdin.buffer
        found = read_mbox(lines) if mbox else iter([canonical(_one(lines))])
        return found, lambda: 0, 0
    try:
        opened, position = stack.enter_context(open_mail(file))
        size = os.stat(file).st_size
    except OSError as error:
        what = f"{file}: {error.strerror or error}"
        raise CliError(what, "name a file that can be read", Exit.NO_INPUT) from error
    if mbox:
        return read_mbox(opened), position, size
    return iter([canonical(_one(opened))]), position, size


def _one(file: IO[bytes] | GzipFile) -> bytes:
    """The whole of a message; nobody's mail server takes one that memory has no room for."""
    content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        what = f"this is no message: it is larger than {bytes_text(_LARGEST)}"
        raise CliError(what, "if it is an mbox, say --mbox", Exit.BAD_DATA)
    return content


def _mail(content: bytes, sender: str | None, recipients: tuple[str, ...]) -> Mail:
    from appliance.cli.sender import Mail, envelope_of

    if sender is None or not recipients:
        found_sender, found_recipients = envelope_of(content)
        sender = found_sender if sender is None else sender
        recipients = recipients or found_recipients
    if not recipients:
        raise CliError("the message names no recipient", "say --to ADDRESS", Exit.BAD_DATA)
    return Mail(sender, recipients, content)


def _progress(stack: ExitStack, size: int, position: Callable[[], int]) -> Callable[[], None]:
    """What to call after each message: moves a bar, if there is somebody to see it."""
    if not size or not sys.stderr.isatty():
        return lambda: None
    bar = stack.enter_context(
        click.progressbar(length=size, label="Sending", file=sys.stderr, show_pos=False)
    )
    return lambda: bar.update(position() - bar.pos)


def _summary(tally: _Tally) -> dict[str, object]:
    return {
        "taken": tally.taken,
        "queue_ids": tally.queue_ids,
        "failed": [
            {
                "sender": sent.mail.sender,
                "recipients": sent.mail.recipients,
                "code": sent.code,
                "text": sent.text,
                "refused": [{"recipient": who, "reply": reply} for who, reply in sent.refused],
            }
            for sent in tally.failed
        ],
    }


def _report(tally: _Tally, server: str) -> None:
    if tally.taken == 1 and not tally.failed:
        click.echo(f"taken by {server} as {' '.join(map(safe, tally.queue_ids)) or 'nobody said'}")
    else:
        click.echo(f"{counted(tally.taken, 'message')} taken by {server}")
    for sent in tally.failed[:_SHOWN_FAILURES]:
        click.echo(f"not taken: {_failure(sent)}", err=True)
    if len(tally.failed) > _SHOWN_FAILURES:
        click.echo(f"… and {len(tally.failed) - _SHOWN_FAILURES} more, see --json", err=True)


def _failure(sent: Sent) -> str:
    reply = f"{sent.code} {sent.text}" if sent.code else sent.text
    if sent.refused:
        reply = "; ".join(f"<{who}>: {why}" for who, why in sent.refused)
        if sent.code == 250:
            reply = f"taken as {sent.queue_id} but for {reply}"
    return safe(f"from <{sent.mail.sender}>: {reply}")
