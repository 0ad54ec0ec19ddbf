"""Rights that a test says itself, in the place of those that the stream keeps true."""

import time
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, cast

from attrs import evolve

from shared.bus import Bus
from shared.flags import AssetKind
from shared.health import Health
from shared.rights.decision_point import Rights
from shared.rights.records import (
    Domain,
    DomainKind,
    Grant,
    Held,
    Holdings,
    Lock,
    LockKind,
    Standing,
)


class _NoBus:
    """Nobody is asked."""

    def on_join(self, *_: Any) -> None:
        """Never."""


def project(key: int) -> Domain:
    """The domain of a project."""
    return Domain(DomainKind.PROJECT, key)


OWNING = Standing(is_owner=True, is_member=False)
MEMBER = Standing(is_owner=False, is_member=True)


class KnownRights(Rights):
    """What people hold is what `hold` said; the stream is heard for as long as `is_silent` is False."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:  # noqa: TID251 - the machine's clock, as a service has it
        super().__init__(cast("Bus", _NoBus()), Health(), now=now, clock=time.monotonic)
        self.is_silent = False
        self._known: dict[int, dict[Domain, Standing]] = {}
        self._grant_keys = 0

    @property
    def is_heard(self) -> bool:
        """As the test says."""
        return not self.is_silent

    @property
    def silent_s(self) -> float:
        """As the test says."""
        return inf if self.is_silent else 0.0

    def hold(self, account_key: int, domain: Domain, standing: Standing) -> None:
        """From now on the person stands so towards `domain`; whoever follows them is woken."""
        self._known.setdefault(account_key, {})[domain] = standing
        self.changed(account_key)

    def known(self, account_key: int) -> Mapping[Domain, Standing]:
        """What was said of the person, by domain."""
        return self._known.get(account_key, {})

    def own(self, account_key: int, *projects: int) -> None:
        """The person owns these projects."""
        for key in projects:
            self.hold(account_key, project(key), OWNING)

    def give(
        self, account_key: int, project_key: int, kind: AssetKind, key: int, *flags: str, ends_at: float | None = None
    ) -> None:
        """The person, a member of the project, has `flags` on the asset."""
        before = self._known.get(account_key, {}).get(project(project_key), MEMBER)
        given = []
        for flag in flags:
            self._grant_keys += 1
            given.append(Grant(self._grant_keys, flag, kind, key, ends_at))
        self.hold(account_key, project(project_key), evolve(before, is_member=True, grants=(*before.grants, *given)))

    def lose(self, account_key: int, domain: Domain) -> None:
        """The person has nothing there any more."""
        self._known.get(account_key, {}).pop(domain, None)
        self.changed(account_key)

    def lock(self, kind: LockKind, key: int | str, ends_at: float | None = None) -> None:
        """A lock stands on it; whoever listens for locks is told."""
        self._locks = (*self._locks, Lock(len(self._locks) + 1, kind, str(key), ends_at))
        self._locks_changed()

    def unlock(self) -> None:
        """No lock stands on anything."""
        self._locks = ()
        self._locks_changed()

    def changed(self, account_key: int) -> None:
        """Wake whoever follows the person."""
        self._kept.pop(account_key, None)
        self._wake(account_key)

    async def holdings(self, account_key: int) -> Holdings:
        """What was said."""
        self.refuse_silence()
        held = tuple(Held(domain, standing) for domain, standing in self._known.get(account_key, {}).items())
        self._kept[account_key] = Holdings(account_key, 1, held)
        return self._kept[account_key]

    def _locks_changed(self) -> None:
        for account_key in list(self._followers):
            self._wake(account_key)
        for listener in self._lock_listeners:
            listener()
