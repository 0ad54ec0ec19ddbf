"""Older releases of the SDK, unmodified: they know no credential of an app, so the project's owner lets them in.

1.6.0 appends by calls and reads history; 1.3.0 has publications and calls alone, writes to tables by the raw topic, and
knows no other address of the platform than the vendor's, which the test's network resolves to this platform.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.e2e.sdk.conftest import Site, make_site
from tests.harness.clients import Account
from tests.harness.running import RunningPlatform
from tests.harness.sdk import Container, SdkError, function, handler, published_address
from tests.harness.waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.soak]  # the newest release is tried in every run
SOON_S: Final = 30.0


@pytest.fixture(scope="module")
def old_site(ironflock: RunningPlatform) -> Site:
    made = make_site(ironflock, Account(ironflock, ironflock.owner_key))
    made.let_legacy_in()
    return made


def older(site: Site, device: int) -> dict[str, str]:
    """What the agent gave containers before apps had credentials of their own."""
    told = site.environment(site.devices[device])
    return {name: value for name, value in told.items() if name not in ("APP_AUTH_ID", "APP_AUTH_SECRET")}


@pytest.fixture(scope="module")
def one(old_site: Site) -> Iterator[Container]:
    with Container(old_site.platform, "1.6.0", older(old_site, 0)) as container:
        container.do("start")
        yield container


@pytest.fixture(scope="module")
def other(old_site: Site) -> Iterator[Container]:
    with Container(old_site.platform, "1.6.0", older(old_site, 1)) as container:
        container.do("start")
        yield container


@pytest.fixture(scope="module")
def oldest(old_site: Site) -> Iterator[list[Container]]:
    """1.3.0 on both devices."""
    with published_address(old_site.platform) as resolves:
        told = [{**older(old_site, device), "CONTAINER_RESOLVES": resolves} for device in (0, 1)]
        for each in told:
            del each["RESWARM_URL"]
        with (
            Container(old_site.platform, "1.3.0", told[0]) as first,
            Container(old_site.platform, "1.3.0", told[1]) as second,
        ):
            for container in (first, second):
                container.do("start")
            yield [first, second]


def moment(second: int, day: int = 1) -> str:
    return (datetime(2026, 3, day, tzinfo=UTC) + timedelta(seconds=second)).isoformat()


def history(container: Container, table: str, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = container.do("getHistory", table, {"limit": 100, **query})
    return rows


def speeds(container: Container, day: int, *filters: dict[str, Any]) -> list[float]:
    """Of the rows of that day; by their name, since 1.6.0 sends time ranges in a form that nobody serves any more."""
    named = {"column": "name", "operator": "=", "value": str(day)}
    return [row["speed"] for row in history(container, "readings", filterAnd=[named, *filters])]


def reading(second: int, day: int, speed: float) -> dict[str, Any]:
    return {"tsp": moment(second, day), "speed": speed, "name": str(day)}


def test_1_6_publishes_and_subscribes(one: Container, other: Container) -> None:
    other.do("subscribe", "com.press.hello", handler("hello"))
    one.do("publish", "com.press.hello", 1, "two")
    wait_until(lambda: other.of("hello"), SOON_S, "the event has come")


def test_1_6_appends_one_and_many_and_the_other_follows(one: Container, other: Container) -> None:
    other.do("subscribe_to_table", "readings", handler("followed"))
    one.do("append_to_table", "readings", reading(0, 1, 1))
    one.do("append_rows_to_table", "readings", [reading(each, 1, each) for each in (1, 2)])
    assert speeds(one, 1) == [1, 1, 2]
    wait_until(lambda: len(other.of("followed")) >= 3, SOON_S, "every row has come")


def test_1_6_writes_by_the_raw_topics(one: Container) -> None:
    one.do("publish_to_table", "readings", reading(0, 2, 5))
    one.do("publish_rows_to_table", "readings", [reading(each, 2, 5 + each) for each in (1, 2)])
    wait_until(lambda: speeds(one, 2) == [5, 6, 7], SOON_S, "every row is there")


def test_1_6_reads_history_with_filters_series_and_the_latest(one: Container) -> None:
    one.do("append_rows_to_table", "readings", [reading(each, 3, each) for each in range(6)])
    for filters, found in (
        ([{"column": "speed", "operator": ">", "value": 3}], [4, 5]),
        ([{"column": "speed", "operator": "IN", "value": [0, 2]}], [0, 2]),
        ([{"column": "speed", "operator": "!=", "value": 3}], [0, 1, 2, 4, 5]),
    ):
        assert speeds(one, 3, *filters) == found
    with pytest.raises(SdkError) as refused:  # its form of series is refused by the published platform too
        one.do("get_series_history", "readings", {"metrics": ["speed"], "method": "MAX", "limit": 2})
    assert refused.value.uri in ("wamp.error.runtime_error", None)
    one.do("append_to_table", "machines", {"tsp": moment(0), "name": "mill", "state": "on"})
    latest = [{"column": "latest_flag", "operator": "=", "value": True}]
    assert [row["state"] for row in history(one, "machines", filterAnd=latest)] == ["on"]


def test_1_6_calls_a_function_of_the_other_device(old_site: Site, one: Container, other: Container) -> None:
    one.do("register_device_function", "measure", function("measure"))
    answer = other.do("call_device_function", old_site.devices[0], "measure", [1, 2])
    assert answer["args"] == [1, 2]


def test_1_6_reads_no_other_app(old_site: Site, one: Container) -> None:
    with pytest.raises(SdkError) as refused:
        one.do("connect_to_app", "nobody")
    assert refused.value.code in ("UNKNOWN_APP", "NO_GRANT", "NOT_AUTHORIZED")


def test_1_3_publishes_subscribes_and_calls(old_site: Site, oldest: list[Container]) -> None:
    first, second = oldest
    second.do("subscribe", "com.press.hello", handler("hello"))
    first.do("publish", "com.press.hello", 1, "two")
    wait_until(lambda: second.of("hello"), SOON_S, "the event has come")
    # This release puts no project before a name, and calls "<device>.<topic>".
    name = f"{old_site.devices[0]}.{old_site.app}.DEV.measure"
    first.do("register", f"{old_site.project}.{name}", function("measure"))
    answer = second.do("call", str(old_site.project), name, [1, 2])
    assert answer["args"] == [1, 2]


def test_1_3_writes_to_a_table_by_its_topic_and_newer_ones_read_it(one: Container, oldest: list[Container]) -> None:
    oldest[1].do("subscribe", "transformed.readings", handler("stored"))
    oldest[0].do("publish_to_table", "readings", reading(0, 7, 3))
    wait_until(lambda: speeds(one, 7) == [3], SOON_S, "the row is there")
    wait_until(lambda: oldest[1].of("stored"), SOON_S, "the row has come")
    oldest[0].do("publish_to_table", "readings", {"speed": 4})
    wait_until(
        lambda: [row for row in history(one, "error-logs") if row["source"] == "system"], SOON_S, "the refusal is told"
    )


def test_1_3_tells_its_location(one: Container, oldest: list[Container]) -> None:
    oldest[1].do("set_device_location", 8.5, 47.3)
    assert (8.5, 47.3) in [(row["long"], row["lat"]) for row in history(one, "device-location")]


def test_without_the_owners_leave_none_of_them_comes_in(ironflock: RunningPlatform) -> None:
    site = make_site(ironflock, Account(ironflock, ironflock.owner_key))
    with Container(ironflock, "1.6.0", older(site, 0)) as strict:
        began = strict.begin("start")
        with suppress(SdkError, AssertionError):
            strict.wait(began, 8.0)
        assert strict.do("is_connected") is False
