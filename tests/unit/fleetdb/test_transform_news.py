"""What apps hear of their transforms."""

from typing import Any, cast

import pytest

from services.fleetdb.live import LiveRealm
from services.fleetdb.problems import Problems
from services.fleetdb.records.backends import Backend, Stage
from services.fleetdb.rules.transforms import transforms_of
from services.fleetdb.transform_news import TransformNews
from tests.unit.fleetdb.test_catalogs import TEMPLATE

BACKEND = Backend(1, 1, 26, "press", Stage.DEV, "d", "s", "l", 1, TEMPLATE, frozenset())
HOURLY = transforms_of(TEMPLATE)["hourly"]


class Told:
    """A realm and the log of problems, in one."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any, bool]] = []
        self.problems: list[str] = []

    def publish(self, topic: str, payload: Any, *, is_private: bool = False) -> None:
        self.published.append((topic, payload, is_private))

    async def tell(self, _: Backend, __: Any, text: str) -> None:
        self.problems.append(text)


def news(told: Told, *, is_live: bool = True) -> TransformNews:
    realm = cast("LiveRealm", told) if is_live else None
    return TransformNews(cast("Problems", told), lambda _: realm)


@pytest.mark.asyncio
async def test_followers_get_the_whole_view_reversed() -> None:
    told = Told()
    await news(told).rows(BACKEND, HOURLY, [{"speed": 1}, {"speed": 2}])
    assert told.published == [("transformed.hourly", [{"speed": 2}, {"speed": 1}], False)]


@pytest.mark.asyncio
async def test_a_view_that_no_event_takes_is_a_problem() -> None:
    told = Told()
    await news(told).rows(BACKEND, HOURLY, [{"speed": "x" * 5_000_000}] * 2)
    assert [topic for topic, *_ in told.published] == ["databackend.errors.hourly"]
    assert "octets" in told.problems[0]


@pytest.mark.asyncio
async def test_a_problem_of_a_realm_that_nobody_serves_yet_stands_in_the_log() -> None:
    told = Told()
    await news(told, is_live=False).problem(BACKEND, "hourly", "no such column")
    await news(told, is_live=False).rows(BACKEND, HOURLY, [])
    assert (told.published, told.problems) == ([], ["transform hourly: no such column"])
