"""The search process: the index of this node's mail, beside everything else and after it."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from pathlib import Path

from appliance.ipc.search import SERVER_CODEC
from appliance.ipc.server import serve as serve_ipc
from appliance.monitor.events import Emit, Event
from appliance.search.desk import Desk
from appliance.search.index import Index
from appliance.search.indexer import Activity, Indexer
from appliance.search.load import Machine
from appliance.search.pace import Pacer
from appliance.services.clock import monotonic, wall
from appliance.services.process import Context
from appliance.spool.feed import Feed

_NICE = 19
_POLL = 0.2
"""Seconds between two looks at the journal when there is nothing to do."""
_RESERVES = 2
"""The index stops growing while there is still so many times `disk_reserve` left for mail."""
_QUIET = (Activity.INDEXING, Activity.IDLE, Activity.MERGING, Activity.RESTING)


async def serve(context: Context) -> None:
    """Run until told to stop."""
    layout = context.layout
    os.nice(_NICE)
    # Postings are millions of small objects, none of them in a cycle: going through them again
    # and again would take a fifth of the time. What is in cycles is collected when idle.
    gc.set_threshold(100_000, 1_000, 1_000)
    stop = threading.Event()
    feed, shown, watched = (Feed(layout.spool) for _ in range(3))
    pacer = Pacer(Machine(watched.counts, monotonic).look, monotonic, stop.wait)
    index = Index(layout.index, pause=pacer.pause)
    reserve = _RESERVES * int(context.node.disk_reserve)
    indexer = Indexer(index, feed, monotonic, lambda: _free(layout.spool) > reserve, pacer)

    def told(by: str) -> None:
        context.emit(Event.COMMAND, action="reindex", by=by)

    desk = Desk(index, indexer, shown, monotonic, wall, told, pacer.asked)
    running = asyncio.create_task(asyncio.to_thread(_run, index, indexer, stop, context.emit))
    socket = await serve_ipc(layout.search_socket, SERVER_CODEC, desk)
    stopped = asyncio.create_task(context.stop.wait())
    context.ready()
    try:
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        stop.set()
        socket.close()
        await running
        desk.close()
        feed.close()
        watched.close()


def _run(index: Index, indexer: Indexer, stop: threading.Event, emit: Emit) -> None:
    """The indexer's thread; what it cannot handle ends the process."""
    index.open()
    last = Activity.IDLE
    while not stop.is_set():
        busy = indexer.turn()
        activity = indexer.progress.activity
        if activity is not last and not (activity in _QUIET and last in _QUIET):
            progress = indexer.progress
            emit(Event.INDEX, state=str(activity), documents=index.documents, lag=progress.lag)
        if activity is Activity.IDLE and last is not Activity.IDLE:
            gc.collect()
        last = activity
        if not busy:
            stop.wait(_POLL)
    indexer.finish()
    index.close()


def _free(path: Path) -> int:
    figures = os.statvfs(path)
    return figures.f_bavail * figures.f_frsize
