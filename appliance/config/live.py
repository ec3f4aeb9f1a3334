"""The site as it is now, in any process: settings and registers that change while it runs.

What needs them for good takes a `Site` and asks it each time, or keeps what it made of them and
makes it anew when it is told of a change. Whoever is in the middle of something goes on with what
it began with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from appliance.config.site import SiteSettings

Heed = Callable[[SiteSettings], None]
Table = Mapping[str, bytes]


class Site:
    """Settings in `current`, values by `registers`; whoever watches is told of changes.

    To learn of changes: `site.watch(heed)` calls `heed(settings)` after each change of the
    document; `site.watch_registers("pauses", heed)` calls `heed(values)` after each change of a
    register in that table. Both are called on the event loop, after the change is durable here.
    A process other than the mail process hears of changes `async with following(...)`
    (`services/site.py`).

    To write a register: `Spool.put_registers` in the mail process, `PutRegistersCall` on the mail
    socket from another one. It is durable on both nodes when the call returns.
    """

    def __init__(self, current: SiteSettings, read: Callable[[str], Table | None]) -> None:
        """`read` reads the registers of a table that are not deleted; None if it can't now."""
        self.current = current
        self._read = read
        self._tables: dict[str, Table] = {}
        self._watching: list[Heed] = []
        self._watching_registers: dict[str, list[Callable[[Table], None]]] = {}

    def registers(self, table: str) -> Table:
        """The registers of a table, as key → value. They are read once and then kept.

        None are told while there is no spool that could be read, as in the first moment of a node.
        """
        found = self._tables.get(table)
        if found is None:
            found = self._read(table)
            if found is None:
                return {}
            self._tables[table] = found
        return found

    def watch(self, heed: Heed) -> None:
        """Tell `heed` of the settings after each change of them."""
        self._watching.append(heed)

    def watch_registers(self, table: str, heed: Callable[[Table], None]) -> None:
        """Tell `heed` of a table's registers after each change of one."""
        self._watching_registers.setdefault(table, []).append(heed)

    def changed(self, current: SiteSettings) -> None:
        """These are the settings from now on."""
        if current != self.current:
            self.current = current
            for heed in self._watching:
                heed(current)

    def registers_changed(self, names: Iterable[str] | None = None) -> None:
        """Registers of these tables changed; None if any may have."""
        known = dict.fromkeys([*self._tables, *self._watching_registers])
        for name in known if names is None else names:
            self._tables.pop(name, None)
            for heed in self._watching_registers.get(name, ()):
                heed(self.registers(name))
