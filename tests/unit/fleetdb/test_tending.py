"""Upkeep of many realms: nobody waits for another's trouble."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from services.fleetdb import tending as module
from services.fleetdb.live import LiveRealm, Offer
from services.fleetdb.records.backends import Backend, Stage
from services.fleetdb.records.tables import Made, Table
from services.fleetdb.tending import Tending
from shared.errors import UnavailableError

pytestmark = pytest.mark.asyncio
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def realm(key: int) -> LiveRealm:
    backend = Backend(
        backend_key=key,
        project_key=key,
        app_key=26,
        app_name="press",
        stage=Stage.PROD,
        database="d",
        schema="s",
        login="l",
        epoch=1,
        template=None,
        providers=frozenset(),
    )
    return LiveRealm(backend, Offer())


class Upkeep:
    """Retention and resealing; `bad` fail at the first, `sealed` at the second, `slow` never end."""

    def __init__(self, bad: Iterable[int] = (), sealed: Iterable[int] = (), slow: Iterable[int] = ()) -> None:
        self.bad, self.sealed, self.slow = set(bad), set(sealed), set(slow)
        self.tended: list[int] = []

    async def tend(self, backend: Backend, made: Made, now: datetime) -> None:
        assert (made, now) == (Made({}, ()), NOW)
        if backend.backend_key in self.slow:
            await asyncio.sleep(3600)
        if backend.backend_key in self.bad:
            raise UnavailableError("its tables are locked")

    async def reseal(self, backend: Backend, _: Iterable[Table]) -> int:
        if backend.backend_key in self.sealed:
            raise ValueError("a fault of ours")
        self.tended.append(backend.backend_key)
        return 0


def tending(upkeep: Upkeep, count: int) -> Tending:
    realms = [realm(key) for key in range(1, count + 1)]
    return Tending(lambda: realms, cast("Any", upkeep), cast("Any", upkeep), lambda: NOW)


@pytest.mark.parametrize("upkeep", [Upkeep(bad=[1]), Upkeep(sealed=[1]), Upkeep(slow=[1])])
async def test_one_realm_s_trouble_is_no_other_s(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 0.05)

    await tending(upkeep, 9).tend()

    assert sorted(upkeep.tended) == [2, 3, 4, 5, 6, 7, 8, 9]


async def test_trouble_with_many_is_said() -> None:
    upkeep = Upkeep(bad=[1, 2])

    with pytest.raises(UnavailableError, match="2 data realms"):
        await tending(upkeep, 9).tend()
    assert len(upkeep.tended) == 7


async def test_where_there_is_none_nothing_is_done() -> None:
    await tending(Upkeep(), 0).tend()
