"""What is done when a data backend comes, changes or goes."""

from typing import Any, cast

import attrs
import pytest

from services.fleetdb.records.tables import Made, Table
from services.fleetdb.rules.transforms import transforms_of
from services.fleetdb.taking import Backing, Taking
from tests.unit.fleetdb.test_catalogs import TEMPLATE
from tests.unit.fleetdb.test_transform_news import BACKEND


class Parts:
    """Connections, making, writing and transforms, in one."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def follow(self, backend: Any) -> None:
        self.done.append(f"follow {backend.epoch}")

    async def make(self, backend: Any) -> Any:
        self.done.append("make")
        return Made({"readings": Table("readings", {})}, ())

    def forget(self, _: Any) -> None:
        self.done.append("forget")

    async def retained(self, _: int, change_key: int) -> None:
        self.done.append(f"retained {change_key}")


class Views(Parts):
    """Transforms."""

    async def make(self, backend: Any) -> Any:
        self.done.append("views")
        return transforms_of(TEMPLATE)


def taking(parts: Parts) -> Taking:
    views = Views()
    views.done = parts.done
    any_parts = cast(Any, parts)
    return Taking(Backing(any_parts, any_parts), any_parts, any_parts, cast(Any, views))


@pytest.mark.asyncio
async def test_tables_are_made_before_anything_is_offered_and_a_rotation_is_followed_once() -> None:
    parts = Parts()
    made = taking(parts)

    offer = await made.take(BACKEND)
    await made.take(BACKEND)
    rotated = attrs.evolve(BACKEND, epoch=2)
    await made.take(rotated)
    await made.take(rotated)

    assert (set(offer.tables), set(offer.transforms)) == ({"readings"}, {"hourly"})
    assert [each for each in parts.done if each.startswith("follow")] == ["follow 2"]
    assert parts.done.index("follow 2") == 6


@pytest.mark.asyncio
async def test_a_backend_that_is_met_in_a_later_epoch_is_followed_too() -> None:
    parts = Parts()

    await taking(parts).take(attrs.evolve(BACKEND, epoch=3))

    assert parts.done[0] == "follow 3"


@pytest.mark.asyncio
async def test_realms_is_told_that_rows_are_kept_as_was_said_once_it_is_so() -> None:
    parts = Parts()

    await taking(parts).take(BACKEND)
    assert "retained" not in str(parts.done)
    await taking(parts).take(attrs.evolve(BACKEND, retention_change=7))

    assert parts.done[-1] == "retained 7"
