"""Plays one seed of one plan; a failure carries its story and the command that replays it."""

from __future__ import annotations

from tests.sim.plan import PLANS, Plan
from tests.sim.schedule import Simulation
from tests.support.disk_faults import PowerCut
from tests.support.disk_vfs import DiskVFS


class Failure(AssertionError):
    """Something did not hold, or something raised."""

    def __init__(self, seed: int, plan: str, story: list[str], cause: BaseException) -> None:
        self.replay = f"python -m tests.sim --plan '{plan}' --first {seed} --tell"
        super().__init__("\n".join([*story, f"{type(cause).__name__}: {cause}", self.replay]))


def play(seed: int, plan: str, contents: Plan | None = None) -> list[str]:
    """The story of one seed of the plan of that name, or of `contents`; raises Failure."""
    with DiskVFS(f"sim-{plan}-{seed}") as vfs:
        simulation = Simulation(seed, contents or PLANS[plan], vfs)
        try:
            simulation.run()
        # Whatever went wrong, the story and the seed are what helps.
        except (Exception, PowerCut) as error:
            raise Failure(seed, plan, simulation.story.lines, error) from error
        finally:
            simulation.close()
        return simulation.story.lines
