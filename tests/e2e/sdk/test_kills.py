"""Processes are killed while containers of several apps write and follow.

Every row that was acknowledged is there, none is there twice, and who follows has seen them all.
"""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

import pytest
from attrs import frozen

from tests.e2e.sdk.conftest import TEMPLATE, Site, make_site
from tests.e2e.sdk.writing import Writer
from tests.harness.clients import Account, new_name
from tests.harness.running import RunningPlatform
from tests.harness.sdk import Container, handler
from tests.harness.waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
VERSION: Final = "1.10.1"
VICTIMS: Final = ("fleetdb", "router", "postgres")
BACK_WITHIN_S: Final = 90.0
GOES_ON_WITHIN_S: Final = 120.0
MAX_ROWS: Final = 10_000


@frozen
class Following:
    """A container that writes to its app's table and follows it."""

    container: Container
    writer: Writer

    def seen(self) -> set[int]:
        """The numbers of the rows that it was told of."""
        return {row["count"] for args in self.container.of("rows") for row in _rows(args[0])}

    def stored(self) -> list[int]:
        """The numbers of the rows that are there."""
        rows = self.container.do("getHistory", "readings", {"limit": MAX_ROWS})
        return [row["count"] for row in rows]


def _rows(told: Any) -> list[dict[str, Any]]:
    return told if isinstance(told, list) else [told]


def begin(stack: ExitStack, site: Site, app: int) -> Following:
    """Let a container of `app` write and follow."""
    environment = site.environment(site.devices[0], app)
    container = stack.enter_context(Container(site.platform, VERSION, environment))
    container.do("start")
    container.do("subscribe_to_table", "readings", handler("rows"))
    writer = Writer(container, 0)
    stack.callback(writer.end)
    return Following(container, writer)


def kill_each(platform: RunningPlatform, goes_on: Callable[[], None]) -> None:
    """Kill one process after the other, each when all write again."""
    for victim in VICTIMS:
        killed = platform.kill(victim)
        wait_until(lambda: platform.is_back(victim, killed), BACK_WITHIN_S, f"{victim} is back")  # noqa: B023
        goes_on()


def check(ironflock: RunningPlatform, apps: int) -> None:
    """Write from so many apps, kill, and look."""
    site = make_site(ironflock, Account(ironflock, ironflock.owner_key))
    keys = [site.app, *(site.install(new_name("saw"), TEMPLATE) for _ in range(apps - 1))]
    with ExitStack() as stack:
        all_of_them = [begin(stack, site, key) for key in keys]

        def goes_on() -> None:
            before = [len(each.writer.acknowledged) for each in all_of_them]
            wait_until(
                lambda: all(
                    len(each.writer.acknowledged) > count + 5 for each, count in zip(all_of_them, before, strict=True)
                ),
                GOES_ON_WITHIN_S,
                "every app writes",
            )

        goes_on()
        kill_each(ironflock, goes_on)
        for each in all_of_them:
            each.writer.end()
        for each in all_of_them:
            acknowledged = set(each.writer.acknowledged)
            twice = [number for number, times in Counter(each.stored()).items() if times > 1]
            assert twice == []
            assert acknowledged <= set(each.stored())
            wait_until(lambda: acknowledged <= each.seen(), GOES_ON_WITHIN_S, "it has seen every row")  # noqa: B023


@pytest.mark.soak
def test_kills_lose_no_acknowledged_row_of_twenty_apps(ironflock: RunningPlatform) -> None:
    check(ironflock, int(os.environ.get("IRONFLOCK_SOAK_APPS", "20")))
