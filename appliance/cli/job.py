"""`twinpost job`: what a node does by itself now and then."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import CELL, columns, safe, show_json, span_text, time_text

if TYPE_CHECKING:
    from appliance.monitor.jobs import JobView, RunView

_LOOK_EVERY = 0.3


@click.group()
def command() -> None:
    """Jobs: backups, self-tests, reports and more, which a node does by itself."""


@command.command("list")
@data_option
@json_option
def list_(data: Path, as_json: bool) -> Exit:
    """List the jobs: when each ran last, how that went, and when it runs next."""
    client = node_client(data)
    with node_errors():
        found = client.jobs()
    if as_json:
        show_json({"jobs": found})
    else:
        rows = [(one.name, time_text(one.every), _next(one), _last(one)) for one in found]
        click.echo(columns(rows, ("JOB", "EVERY", "NEXT", "LAST")))
        for one in found:
            if one.failures and one.last is not None:
                click.echo(f"{one.name}: {safe(one.last.text)}")
                if one.last.hint:
                    click.echo(f"  → {safe(one.last.hint)}")
    return Exit.NEGATIVE if any(one.failures for one in found) else Exit.OK


@command.command()
@data_option
@json_option
@click.argument("name")
def run(data: Path, as_json: bool, name: str) -> Exit:
    """Run a job now, and wait for its end."""
    client = node_client(data)
    with node_errors():
        before = next((one.last for one in client.jobs() if one.name == name), None)
        client.run_job(name)
        while True:
            job = next(one for one in client.jobs() if one.name == name)
            if not job.running and not job.waiting and job.last not in (None, before):
                break
            time.sleep(_LOOK_EVERY)
    last = job.last
    assert last is not None
    if as_json:
        show_json(last)
    elif last.outcome == "ok":
        click.echo(f"{name}: {safe(last.text)} ({span_text(last.took)})")
    else:
        raise CliError(f"{name}: {safe(last.text)}", safe(last.hint), Exit.NEGATIVE)
    return Exit.OK if last.outcome == "ok" else Exit.NEGATIVE


@command.command()
@data_option
@json_option
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.argument("name", required=False, default="")
def history(data: Path, as_json: bool, limit: int, name: str) -> None:
    """Show what jobs did, the latest first; of one job if NAME is said."""
    client = node_client(data)
    with node_errors():
        found = client.job_history(name, limit)
    if as_json:
        show_json({"runs": found})
        return
    rows = [
        (_at(one.at), one.job, str(one.outcome), span_text(one.took), safe(one.text, CELL))
        for one in found
    ]
    click.echo(columns(rows, ("BEGAN", "JOB", "OUTCOME", "TOOK", "")) if rows else "No job ran.")


def _next(job: JobView) -> str:
    if job.running:
        return "now"
    if job.waiting:
        return "after the one that runs"
    if job.next_in is None:
        return f"never: {safe(job.off)}"
    return f"in {time_text(job.next_in)}"


def _last(job: JobView) -> str:
    return "never" if job.last is None else _said(job.last)


def _said(run: RunView) -> str:
    return f"{_at(run.at)} {run.outcome}, {span_text(run.took)}"


def _at(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"
    except (OverflowError, OSError, ValueError):
        return "at no time"
