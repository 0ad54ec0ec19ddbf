"""Projects with many grants, put straight into the tables, and how long one check in them takes.

The grants are spread over 1 to 1,000 people, 10 to 100 for each, on as many devices; the one who asks has their share.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Final

from attrs import frozen

from deploy.local.processes import DATABASE_NAME
from services.privileges.store.standings import holdings_read
from shared.bus import Bus
from shared.database import Database, DatabaseSettings, Password
from shared.flags import AssetKind
from shared.health import Health
from shared.rights.decision_point import Rights
from shared.rights.records import Asset, Holdings, project_domain
from tests.bench.figures import percentile
from tests.bench.rounds import say
from tests.bench.wamp_socket import Address, WampSocket
from tests.harness.accounts import Stranger, add_strangers
from tests.harness.running import RunningPlatform

MOST_PEOPLE: Final = 1_000
MIDDLE: Final = 0.5
LOGIN: Final = "svc_privileges"
FIRST_DEVICE: Final = 2**40
"""Keys of devices that exist for privileges alone."""
_numbers = itertools.count()
_projects = itertools.count(FIRST_DEVICE)
_DOMAIN: Final = "INSERT INTO privileges.domain (kind, key, owner_account_key, name, name_canonical) VALUES"
_GRANTS: Final = (
    "INSERT INTO privileges.held_flag (account_key, kind, asset_key, flag, domain_kind, domain_key, is_visit, given_at)"
    " SELECT person, 'device', %(first)s + at, 'READ', 'project', %(project)s, false, now()"
    " FROM unnest(%(people)s::bigint[]) person, generate_series(0, %(each)s - 1) at"
)


@frozen
class Crowd:
    """A project with so many grants; `asker` is one who has some, `device` one on which they have READ."""

    grants: int
    project: int
    device: int
    asker: Stranger
    each: int


def crowd_of(platform: RunningPlatform, size: int) -> Crowd:
    """Put the grants into the tables: by calls it would take an hour."""
    people = add_strangers(platform, min(MOST_PEOPLE, max(1, size // 10)))
    project, first, each = next(_projects), FIRST_DEVICE + next(_numbers) * MOST_PEOPLE, size // len(people)
    keys = [person.account_key for person in people]
    named = {"people": keys, "project": project, "first": first, "each": each}
    with platform.database() as connection, connection.transaction():
        connection.execute(f"{_DOMAIN} ('project', %s, %s, 'bench', 'bench')", [project, FIRST_DEVICE])
        connection.execute(
            "INSERT INTO privileges.asset (kind, key, domain_kind, domain_key) SELECT 'device', %(first)s + at,"
            " 'project', %(project)s FROM generate_series(0, %(each)s - 1) at",
            named,
        )
        connection.execute(
            "INSERT INTO privileges.member (project_key, account_key, since) SELECT %(project)s, person, now()"
            " FROM unnest(%(people)s::bigint[]) person",
            named,
        )
        connection.execute(_GRANTS, named)
    say(f"{each * len(people):,} grants of {len(people):,} people")
    return Crowd(size, project, first, people[len(people) // 2], each)


def over_the_bus(platform: RunningPlatform, crowd: Crowd, seconds: float) -> float:
    """Microseconds of `flag.check` for a person, in the middle."""
    address = Address(platform.ports.router_public, "/ws-usr", platform.tls)
    with WampSocket.connect(address).join_by_ticket("realm1", crowd.asker.account.api_key) as person:

        def check() -> None:
            answer = person.call("ironflock.privileges.flag.check", kind="device", key=crowd.device, flag="READ")
            assert answer["allowed"] is True, answer

        check()
        return middle_us(check, seconds)


def middle_us(work: Callable[[], object], seconds: float) -> float:
    """How long `work` takes, in the middle of as many as fit."""
    taken: list[float] = []
    began = time.perf_counter()
    while (start := time.perf_counter()) < began + seconds:
        work()
        taken.append(time.perf_counter() - start)
    return percentile(taken, MIDDLE) * 1e6


class _Known(Rights):
    """A decision point that has heard all there is."""

    def __init__(self, holdings: Holdings) -> None:
        health = Health()
        super().__init__(_NoBus(health), health, now=time.time, clock=time.monotonic)  # noqa: TID251 - as a service
        self._keep(holdings)

    @property
    def is_heard(self) -> bool:
        """Always."""
        return True


class _NoBus(Bus):
    """Nobody is asked."""

    def __init__(self, health: Health) -> None:
        self.health = health
        self._listeners = []


def decided(platform: RunningPlatform, crowd: Crowd, seconds: float, share: float = MIDDLE) -> float:
    """Microseconds of a yes from what a decision point keeps, which that share does not exceed."""
    with asyncio.Runner() as runner:
        rights = _Known(runner.run(_holdings(platform, crowd)))
        asset = Asset(AssetKind.DEVICE, crowd.device)

        async def decide() -> float:
            taken: list[float] = []
            began = time.perf_counter()
            while (start := time.perf_counter()) < began + seconds:
                decision = rights.judge(
                    await rights.holdings(crowd.asker.account_key), "READ", asset, project_domain(crowd.project)
                )
                taken.append(time.perf_counter() - start)
                assert decision.allowed
            return percentile(taken, share) * 1e6

        return runner.run(decide())


def holdings_known(platform: RunningPlatform, crowd: Crowd, seconds: float) -> float:
    """Microseconds of the statement that reads all that the asker holds, once for each decision point and change."""

    async def read() -> float:
        database = _database(platform)
        await database.open()
        taken: list[float] = []
        try:
            began = time.perf_counter()
            while (start := time.perf_counter()) < began + seconds:
                await database.run(lambda connection: holdings_read(connection, crowd.asker.account_key))
                taken.append(time.perf_counter() - start)
        finally:
            await database.close()
        return percentile(taken, MIDDLE) * 1e6

    return asyncio.run(read())


async def _holdings(platform: RunningPlatform, crowd: Crowd) -> Holdings:
    database = _database(platform)
    await database.open()
    try:
        found = await database.run(lambda connection: holdings_read(connection, crowd.asker.account_key))
    finally:
        await database.close()
    assert len(found.standing(project_domain(crowd.project)).grants) == crowd.each
    return found


def _database(platform: RunningPlatform) -> Database:
    settings = DatabaseSettings(
        host="localhost",
        port=platform.ports.postgres,
        name=DATABASE_NAME,
        login=LOGIN,
        password=Password(platform.secret(f"database/{LOGIN}")),
        ca=platform.state.ca_certificate,
    )
    return Database(settings, Health())
