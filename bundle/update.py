"""The update of one node: beside what runs, with a copy of its data, and back by itself.

**Commit points:** each is the writing of a phase (`ledger`), and is carried out by whoever comes
next, however often it is begun.

1. `switching`: the copies are made, migrated and checked, the node has stopped. Databases and
   `current` are exchanged.
2. `keeping`: the new release has shown that it works. The trial's note goes, promises are given.
3. `going back`: it has not. Databases and `current` become what they were.

Crash windows: before 1, nothing in use was touched: copies go, the old release starts. Between
1 and 2, everything may lie anywhere between old and new, and the next run, or `settle` before the
node starts, finishes the exchange, in the direction that is written down. In the trial the node
promises nothing that its peer has not (`appliance.spool.engine`, `on_trial`), so the data it goes
back to lacks nothing that anybody was told of. After 2 only what is not needed any more is left.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from bundle import files, install, swap, verify
from bundle.errors import Refused
from bundle.install import Prefix
from bundle.judge import Judge, Verdict
from bundle.ledger import Ledger, Phase, State, UnderWay
from bundle.manifest import Version
from bundle.needs import Clock, Node


class Updater:
    """Carries out the update that the ledger tells of."""

    def __init__(
        self,
        prefix: Prefix,
        node: Node,
        clock: Clock,
        tell: Callable[[str], None],
        *,
        system: str,
        step: swap.Step = lambda name: None,
    ) -> None:
        """`step` is told before each change of what is in use."""
        self.prefix = prefix
        self.ledger = Ledger(prefix.path / "update")
        self._node = node
        self._clock = clock
        self._tell = tell
        self._system = system
        self._step = step

    # What is asked for.

    def request(self, source: str, *, alone: bool, allow_downgrade: bool, by: str) -> None:
        """Note that the node is to be updated from the file `source`; raises Refused."""
        old, last = self._in_use(), self.ledger.read()
        self._begin(
            State(
                Phase.REQUESTED,
                str(old),
                "",
                source,
                files=last.files if last is not None else (),
                alone=alone,
                allow_downgrade=allow_downgrade,
                by=by,
                text="waiting to begin",
            ),
            old,
        )

    def request_back(self, by: str) -> None:
        """Note that the release before is to be used again; raises Refused if that is not safe."""
        seen = self._node.look() if self._node.configured else None
        paired = seen is not None and seen.mode == "paired"
        state = self._back(by, paired=paired)
        if state.files and (seen is None or not paired or seen.exposed):
            raise _lost()
        self._begin(state, self._in_use())

    def request_back_at_boot(self, by: str) -> None:
        """The same before the node starts: that it is safe is seen when the node is stopped.

        What is trusted to do it is the release that made the update, not the one that it brought.
        """
        self._begin(self._back(by, paired=False), None)

    def _back(self, by: str, *, paired: bool) -> State:
        last, current = self.ledger.read(), self._in_use()
        if last is None or not last.before or last.in_use != str(current):
            raise Refused("there is no update to take back", "see `twinpost update status`")
        old = Version.parse(last.before)
        if not self.prefix.has(old):
            raise Refused(f"release {old} is not here any more", "install its bundle")
        gone = [one for one in last.files if not swap.beside(Path(one), "previous").exists()]
        if gone:
            hint = "what it had is given up once the next update begins, or by `update finish`"
            raise Refused(f"the data of release {old} is not here any more", hint)
        return State(
            Phase.STOPPING,
            last.in_use,
            last.before,
            files=last.files,
            paired=paired,
            alone=not paired,
            by=by,
            text=f"going back to release {old}",
        )

    def finish(self) -> None:
        """Give up what going back would need; raises Refused."""
        last = self.ledger.read()
        if last is None or not last.phase.over:
            raise Refused("there is no update that has ended", "see `twinpost update status`")
        with self.ledger.locked():
            swap.forget(map(Path, last.files), "previous", "failed")

    def _begin(self, state: State, by: Version | None) -> None:
        """Note it, to be done by that release; None: by the one that did it last."""
        with self.ledger.locked():
            last = self.ledger.read()
            if last is not None and not last.phase.over:
                raise Refused("an update is under way", "see `twinpost update status`")
            if by is not None:
                files.point(self.prefix.updater, f"releases/{by}")
            now = self._clock.wall()
            self._write(state.now(state.phase, began=now, changed=now))

    def _in_use(self) -> Version:
        version = self.prefix.version()
        if version is None:
            raise Refused("nothing is installed here", "install a bundle first")
        return version

    # What is done.

    def run(self) -> State | None:
        """Do what the ledger says is to be done, to the end; the state then. Raises OSError."""
        with self.ledger.locked():
            while (state := self.ledger.read()) is not None and not state.phase.over:
                self._write(self._next(state))
            if state is not None and state.phase in (Phase.FAILED, Phase.BACK):
                self._start()
            return state

    def settle(self) -> None:
        """Bring the files to one side or the other, before the node starts.

        Raises Refused if they are being exchanged now.
        """
        state = self.ledger.read()
        if state is None or state.phase.over:
            return
        try:
            self._settle()
        except UnderWay:  # whoever is at work starts the node itself
            if state.phase in (Phase.SWITCHING, Phase.GOING_BACK):
                raise

    def _settle(self) -> None:
        with self.ledger.locked():
            state = self.ledger.read()
            if state is None or state.phase.over:
                return
            if state.phase.harmless and state.phase is not Phase.REQUESTED:
                self._write(self._give_up(state, "the machine stopped in the middle of it"))
            elif state.phase is Phase.SWITCHING:
                self._write(self._switch(state))
            elif state.phase is Phase.GOING_BACK:
                self._write(self._take_back(state))
            elif state.phase is Phase.KEEPING:
                self._write(self._keep(state))

    def _next(self, state: State) -> State:
        match state.phase:
            case Phase.REQUESTED | Phase.STOPPING:
                try:
                    return self._prepare(state)
                except (Refused, OSError, subprocess.SubprocessError) as error:
                    hint = error.hint if isinstance(error, Refused) else "nothing was changed"
                    return self._give_up(self.ledger.read() or state, str(error), hint)
            case Phase.SWITCHING:
                self._node.stop()
                return self._switch(state)
            case Phase.TRIAL:
                return self._try_out(state)
            case Phase.KEEPING:
                return self._keep(state)
            case Phase.GOING_BACK:
                self._node.stop()
                return self._take_back(state)
        return self._give_up(state, "it was interrupted")

    def _write(self, state: State) -> None:
        last = self.ledger.read()
        if last is None or state.phase is not last.phase or state.text != last.text:
            state = state.now(state.phase, changed=self._clock.wall())
        self._step(f"write {state.phase}")
        self.ledger.write(state)
        if last is None or state.phase is not last.phase:
            self._node.event(
                phase=state.phase, old=state.old, new=state.new, by=state.by, error=state.error
            )
            self._tell(f"{state.phase}: {state.text}" if state.text else str(state.phase))

    # Before anything is changed.

    def _prepare(self, state: State) -> State:
        """Everything up to the first commit point; raises Refused, OSError."""
        if state.phase is Phase.REQUESTED:
            state = self._install(state)
        new = self.prefix.release(Version.parse(state.new))
        if not self._node.configured:
            return state.now(Phase.SWITCHING, text="there is no node yet")
        state = self._stop(state)
        state = state.now(Phase.MIGRATING, text="copying what the release keeps otherwise")
        self._write(state)
        old = self.prefix.release(Version.parse(state.old))
        if not state.source:
            if state.files and self._node.exposed(old):  # it may have taken some until just now
                raise _lost()
            swap.offer(map(Path, state.files), self._step)
            return state.now(Phase.SWITCHING, text="exchanging releases")
        before = self._node.digest(old, upcoming=False)
        state = self._migrate(state, new)
        after = self._node.digest(new, upcoming=True)
        if before[0] == after[0] and before != after:
            raise Refused(
                "the migrated copy does not hold what the spool holds",
                "nothing was changed; tell who made the bundle",
            )
        return state.now(Phase.SWITCHING, text="exchanging releases")

    def _migrate(self, state: State, new: Path) -> State:
        made = list[str]()

        def copying(path: Path) -> None:
            made.append(str(path))
            self._write(state.now(state.phase, files=tuple(made), text=f"copying {path.name}"))

        self._node.migrate(new, copying)
        state = state.now(state.phase, files=tuple(made), text="comparing the copy")
        self._write(state)
        return state

    def _install(self, state: State) -> State:
        """Copied, verified, and installed beside what is in use."""
        last_files = state.files
        state = state.now(Phase.VERIFYING, text="copying the bundle and reading all of it")
        self._write(state)
        trusted = self.prefix.trusted_key()
        if trusted is None:
            raise Refused("no key is trusted here yet", "install with twinpost-install.pyz")
        with self.prefix.locked():
            copy = self.prefix.incoming / "bundle"
            verify.fetch(Path(state.source), copy)
            for_tests = self.prefix.test_key.exists()
            verified = verify.verify(copy, trusted, allow_test_key=for_tests)
            version, old = verified.manifest.version, self.prefix.version()
            downgrade = state.allow_downgrade
            install.check(verified.manifest, old, self._system, allow_downgrade=downgrade)
            if version == old:
                raise Refused(f"release {version} is in use already", "there is nothing to do")
            state = state.now(Phase.INSTALLING, new=str(version), text="installing it beside")
            self._write(state)
            install.beside(verified, self.prefix)
            state = state.now(
                state.phase, files=(), key=verified.key.pem, test=verified.manifest.test
            )
            copy.replace(self.ledger.bundle)
            files.sync(self.ledger.folder)
        swap.forget(map(Path, last_files), "previous", "failed")
        return state

    def _stop(self, state: State) -> State:
        seen = self._node.look()
        paired = seen is not None and seen.mode == "paired"
        if not paired and not state.alone:
            raise Refused(
                "the pair is not paired: while this node is updated nobody would take mail",
                "bring the other node back first; or repeat with --while-alone",
            )
        state = state.now(Phase.STOPPING, paired=paired, text="stopping the node in order")
        self._write(state)
        if seen is not None and seen.active and paired:
            self._node.leave()
        self._node.stop()
        return state

    def _give_up(self, state: State, why: str, hint: str = "") -> State:
        """Nothing in use was touched; the node is not started."""
        paths = [Path(one) for one in state.files]
        if state.source:
            swap.forget(paths, "next")
        else:
            swap.withdraw(paths, self._step)
        text = "nothing was changed"
        return state.now(Phase.FAILED, error=why, hint=hint or "it can be begun again", text=text)

    # The commit points.

    def _switch(self, state: State) -> State:
        """What follows from the decision to switch; can be done again."""
        if self._node.configured:
            self._step("note the trial")
            files.replace(self._node.trial, b"")
            swap.forth(map(Path, state.files), self._step)
        self._use(state.new)
        text = f"release {state.new} starts"
        return state.now(Phase.TRIAL if self._node.configured else Phase.KEEPING, text=text)

    def _try_out(self, state: State) -> State:
        judge = Judge(state.new, state.paired, self._clock.running())
        try:
            self._node.start()
            while (found := self._observe(judge)) is None:
                if state.text != judge.why:
                    state = state.now(state.phase, text=judge.why)
                    self._write(state)
                self._clock.rest()
        except (Refused, OSError, subprocess.SubprocessError) as error:
            judge.why, found = str(error), Verdict.BAD
        if found is Verdict.GOOD:
            return state.now(Phase.KEEPING, text=f"release {state.new} works")
        return state.now(
            Phase.GOING_BACK,
            error=f"release {state.new} does not do its work: {judge.why}",
            hint="see the node's logs of that time; the pair goes on with the release before",
            text=f"going back to release {state.old}",
        )

    def _observe(self, judge: Judge) -> Verdict | None:
        seen = self._node.look()
        return judge.see(self._clock.running(), seen, self._node.starts())

    def _keep(self, state: State) -> State:
        """What follows from the decision to keep it; can be done again."""
        if state.key:
            self.prefix.trust(state.key, test=state.test)
        self.prefix.keep_only(Version.parse(state.old), Version.parse(state.new))
        self._step("end the trial")
        self._node.trial.unlink(missing_ok=True)
        if self._node.trial.parent.exists():
            files.sync(self._node.trial.parent)
        return state.now(Phase.DONE, text=f"release {state.new} is in use")

    def _take_back(self, state: State) -> State:
        """What follows from the decision to go back; can be done again."""
        swap.back(map(Path, state.files), self._step)
        self._use(state.old)
        self._step("end the trial")
        self._node.trial.unlink(missing_ok=True)
        files.sync(self._node.trial.parent)
        return state.now(Phase.BACK, text=f"release {state.old} is in use again")

    def _use(self, version: str) -> None:
        found = Version.parse(version)
        self._step("put the units")
        self._node.put(self.prefix.release(found))
        self._step("point current")
        self.prefix.use(found)

    def _start(self) -> None:
        """The node that was in use; what is wrong then is for its own supervisor."""
        if self._node.configured:
            try:
                self._node.start()
            except (Refused, OSError, subprocess.SubprocessError) as error:
                self._tell(f"the node could not be started: {error}")


def _lost() -> Refused:
    return Refused(
        "mail that came since would be lost: the other node does not have all of it",
        "wait until the pair is paired and nothing is exposed",
    )
