"""Who works while backups are taken, what they were told, and whether a restored platform has each of it, and once."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any, Final

from attrs import Factory, define, evolve, frozen

from tests.harness.accounts import Stranger, add_stranger, make_members
from tests.harness.app_load import WritingApp, apps_aside
from tests.harness.clients import Account
from tests.harness.recorded import RECORDED
from tests.harness.running import RunningPlatform

RIGHTS: Final = "ironflock.privileges"
FLAG: Final = "OPERATE"
MOST_CHECKS: Final = 1_000
_LEAVES: Final = "SELECT leaf_index, commitment FROM audit.leaf"
# Who makes a device is given its flags too: of flags, only what was done to the one person counts.
_ENTRIES: Final = (
    f"SELECT action, (asset ->> 'key')::bigint FROM {RECORDED} WHERE asset ->> 'kind' = 'device'"  # noqa: S608
    " AND (action = 'device.created' OR coalesce(after, before) @> jsonb_build_object('account_key', %s::bigint))"
)


@frozen
class Told:
    """What was acknowledged at one moment.

    `devices` by name; `given` and `taken`: devices on which the person was given the flag, and had it taken again;
    `rows` by app; `leaves`: what the audit log held.
    """

    devices: Mapping[str, int]
    given: frozenset[int]
    taken: frozenset[int]
    rows: Mapping[int, frozenset[int]]
    leaves: Mapping[int, bytes]

    @property
    def entries(self) -> set[tuple[str, int]]:
        """Action and device of what was recorded of it."""
        made = {("device.created", key) for key in self.devices.values()}
        given = {("flag.given", key) for key in self.given}
        return made | given | {("flag.taken", key) for key in self.taken}


@define(eq=False)
class Load:
    """Somebody makes devices, somebody else gives and takes flags, apps write rows, none with a pause."""

    platform: RunningPlatform
    owner: Account
    project: int
    person: Stranger
    apps: list[WritingApp]
    _devices: dict[str, int] = Factory(dict)
    _given: list[int] = Factory(list)
    _taken: list[int] = Factory(list)

    def make_device(self) -> int:
        """One more."""
        made = self.owner.device(self.project)
        self._devices[made["name"]] = made["device_key"]
        return int(made["device_key"])

    def change_grants(self) -> None:
        """The person may operate a new device, and every other one not for long."""
        key = self.make_device()
        self._grant("give", key)
        self._given.append(key)
        if len(self._given) % 2 == 0:
            earlier = self._given[-2]
            self._grant("take", earlier)
            self._taken.append(earlier)

    def _grant(self, verb: str, key: int) -> None:
        asked: dict[str, Any] = {"account": self.person.account_key, "kind": "device", "key": key, "flags": [FLAG]}
        self.owner.call(f"{RIGHTS}.grant.{verb}", **asked)

    def told(self) -> Told:
        """What is acknowledged by now."""
        return Told(
            dict(self._devices),
            frozenset(self._given),
            frozenset(self._taken),
            {app.app.app_key: frozenset(app.answered) for app in self.apps},
            leaves(self.platform),
        )


@contextmanager
def load(platform: RunningPlatform, owner: Account, project: int, apps: int) -> Iterator[Load]:
    """They work while the block runs."""
    person, ended = add_stranger(platform), Event()
    make_members(platform, project, [person], [])

    def again(step: Callable[[], object]) -> None:
        while not ended.is_set():
            step()

    with apps_aside(platform, owner, apps) as writing, ThreadPoolExecutor(2) as aside:
        working = Load(platform, owner, project, person, writing)
        works = [aside.submit(again, step) for step in (working.make_device, working.change_grants)]
        try:
            yield working
        finally:
            ended.set()
        for each in works:
            each.result()


def assert_nothing_is_lost(restored: RunningPlatform, worked: Load, before: Told, in_all: Told) -> None:
    """What was acknowledged `before` the backup's point is there once, and of the rest nothing that never was."""
    owner = Account(restored, restored.owner_key)
    _assert_devices(restored, worked.project, before, in_all)
    _assert_grants(owner, worked.person.account_key, before, in_all)
    _assert_entries(restored, worked.person.account_key, before, in_all)
    asyncio.run(_assert_rows(restored, worked.apps, before))


def leaves(platform: RunningPlatform) -> dict[int, bytes]:
    """The leaves of the audit log."""
    with platform.database() as connection:
        return dict(connection.execute(_LEAVES).fetchall())


def _assert_devices(restored: RunningPlatform, project: int, before: Told, in_all: Told) -> None:
    with restored.database() as connection:
        query = "SELECT name, device_key FROM devices.device WHERE project_key = %s"
        found = connection.execute(query, [project]).fetchall()
    names = Counter(name for name, _ in found)
    assert set(names.values()) == {1}
    assert before.devices.items() <= set(found)
    assert names.keys() - in_all.devices.keys() == set()


def _assert_grants(owner: Account, person: int, before: Told, in_all: Told) -> None:
    """What was taken after the backup's point too is not there: the ledger tells of it."""
    keys, held = sorted(in_all.given), set[int]()
    for at in range(0, len(keys), MOST_CHECKS):
        some = keys[at : at + MOST_CHECKS]
        checks = [{"kind": "device", "key": key, "flag": FLAG, "account": person} for key in some]
        answers = owner.call(f"{RIGHTS}.flag.check_many", checks=checks)["answers"]
        held |= {key for key, answer in zip(some, answers, strict=True) if answer["allowed"]}
    assert before.given - in_all.taken <= held <= in_all.given - in_all.taken


def _assert_entries(restored: RunningPlatform, person: int, before: Told, in_all: Told) -> None:
    with restored.database() as connection:
        recorded = Counter(connection.execute(_ENTRIES, [person]).fetchall())
    assert {each: recorded[each] for each in before.entries if recorded[each] != 1} == {}
    assert {each: recorded[each] for each in in_all.entries if recorded[each] > 1} == {}
    assert before.leaves.items() <= leaves(restored).items()


async def _assert_rows(restored: RunningPlatform, apps: list[WritingApp], before: Told) -> None:
    for app in apps:
        stored = await WritingApp(evolve(app.app, platform=restored, port=None)).stored()
        assert set(stored.values()) == {1}
        assert before.rows[app.app.app_key] <= stored.keys() <= app.answered | app.doubtful
