"""What waits for one destination: interactive mail before bulk, and bulk for its share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from appliance.delivery.errand import Job

_BULK_EVERY = 4
"""Of so many jobs one is bulk, if there is any."""


class Line:
    """Two queues of jobs. Within each, who came first goes first."""

    def __init__(self) -> None:
        self._interactive: deque[Job] = deque()
        self._bulk: deque[Job] = deque()
        self._turn = 0

    def __len__(self) -> int:
        return len(self._interactive) + len(self._bulk)

    def append(self, job: Job) -> None:
        """Wait behind the others of its kind."""
        self._line(job).append(job)

    def put_back(self, job: Job) -> None:
        """Wait before the others of its kind: it was taken too early."""
        self._line(job).appendleft(job)

    def take(self) -> Job:
        """The next one; raises IndexError if there is none."""
        self._turn = (self._turn + 1) % _BULK_EVERY
        if self._bulk and (self._turn == 0 or not self._interactive):
            return self._bulk.popleft()
        return self._interactive.popleft()

    def remove(self, which: Callable[[Job], bool]) -> list[Job]:
        """Take out those of which `which` is true."""
        out = [job for line in (self._interactive, self._bulk) for job in line if which(job)]
        if out:
            left = set(map(id, out))
            self._interactive = deque(job for job in self._interactive if id(job) not in left)
            self._bulk = deque(job for job in self._bulk if id(job) not in left)
        return out

    def _line(self, job: Job) -> deque[Job]:
        return self._bulk if job.bulk else self._interactive
