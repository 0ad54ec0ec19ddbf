"""The newest published SDK, unmodified, in containers on two devices: whatever it can do, over TLS.

One project for the file; each test uses names, tables or moments of its own.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.sdk.conftest import Site, make_site
from tests.harness.clients import Account, new_name
from tests.harness.running import RunningPlatform
from tests.harness.sdk import Container, SdkError, function, handler
from tests.harness.waiting import wait_until

pytestmark = [pytest.mark.real]
VERSION: Final = "1.10.1"
SOON_S: Final = 20.0


@pytest.fixture(scope="module")
def one(site: Site) -> Iterator[Container]:
    with site.container(VERSION) as container:
        container.do("start")
        yield container


@pytest.fixture(scope="module")
def other(site: Site) -> Iterator[Container]:
    with site.container(VERSION, 1) as container:
        container.do("start")
        yield container


def moment(second: int, day: int = 1) -> str:
    return (datetime(2026, 3, day, tzinfo=UTC) + timedelta(seconds=second)).isoformat()


def ms(second: int, day: int = 1) -> int:
    return int((datetime(2026, 3, day, tzinfo=UTC) + timedelta(seconds=second)).timestamp() * 1000)


def history(container: Container, table: str, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = container.do("getHistory", table, {"limit": 100, **query})
    return rows


def refused(container: Container, uri: str, method: str, *args: Any, **kwargs: Any) -> SdkError:
    with pytest.raises(SdkError) as raised:
        container.do(method, *args, **kwargs)
    assert raised.value.uri == uri, raised.value
    return raised.value


def test_it_publishes_and_the_other_device_hears(one: Container, other: Container) -> None:
    other.do("subscribe", "com.press.hello", handler("hello"))
    one.do("publish", "com.press.hello", 1, "two", three=3)
    wait_until(lambda: other.of("hello"), SOON_S, "the event has come")
    assert other.of("hello") == [[1, "two"]]


def test_a_row_is_appended_read_and_followed(site: Site, one: Container, other: Container) -> None:
    other.do("subscribe_to_table", "readings", handler("readings"))
    row = {
        "tsp": moment(0),
        "speed": 12.5,
        "count": 2**53 + 1,
        "name": 'it\'s "new" \u2603',
        "ok": True,
        "extra": {"a": [1, {"b": None}]},
        "seen": "2026-03-01T00:00:00+02:00",
    }
    assert one.do("append_to_table", "readings", row) == {"success": True}

    stored = {
        "tsp": ms(0),
        "speed": 12.5,
        "count": 2**53 + 1,
        "name": 'it\'s "new" \u2603',
        "ok": True,
        "extra": {"a": [1, {"b": None}]},
        "seen": ms(-7200),
        "device": one.do("getHistory", "readings", {"limit": 1})[0]["device"],
        "device_key": site.devices[0],
    }
    (read,) = history(one, "readings", timeRange=[moment(0), moment(1)])
    assert {name: read[name] for name in stored} == stored
    wait_until(lambda: other.of("readings"), SOON_S, "the row has come")
    assert other.of("readings")[0][0] == read


def test_many_rows_are_appended_all_or_none(one: Container, other: Container) -> None:
    rows = [{"tsp": moment(each, day=2), "speed": each, "name": f"n{each % 3}"} for each in range(30)]
    other.do("subscribe_to_table", "readings", handler("bulk"))
    assert one.do("append_rows_to_table", "readings", rows) == {"success": True, "count": 30}
    wait_until(lambda: len(other.of("bulk")) >= 30, SOON_S, "every row has come")
    assert len(history(one, "readings", timeRange=[moment(0, 2), moment(60, 2)])) == 30

    bad = [{"tsp": moment(0, day=3), "speed": 1}, {"speed": 2}]
    refused(one, "wamp.error.runtime_error", "append_rows_to_table", "readings", bad)
    assert history(one, "readings", timeRange=[moment(0, 3), moment(60, 3)]) == []


FILTERS: Final[dict[str, tuple[list[Any], list[int]]]] = {
    "=": ([{"column": "speed", "operator": "=", "value": 4}], [4]),
    "!=": ([{"column": "speed", "operator": "!=", "value": 4}], [0, 1, 2, 3, 5]),
    ">": ([{"column": "speed", "operator": ">", "value": 3}], [4, 5]),
    "<=": ([{"column": "speed", "operator": "<=", "value": 1}], [0, 1]),
    "LIKE": ([{"column": "name", "operator": "LIKE", "value": "%b"}], [1, 3, 5]),
    "ILIKE": ([{"column": "name", "operator": "ILIKE", "value": "%B"}], [1, 3, 5]),
    "NOT LIKE": ([{"column": "name", "operator": "NOT LIKE", "value": "%b"}], [0, 2, 4]),
    "IN": ([{"column": "speed", "operator": "IN", "value": [0, 5, 9]}], [0, 5]),
    "NOT IN": ([{"column": "speed", "operator": "NOT IN", "value": [0, 5]}], [1, 2, 3, 4]),
    "IS NULL": ([{"column": "count", "operator": "IS NULL"}], [3, 4, 5]),
    "IS NOT NULL": ([{"column": "count", "operator": "IS NOT NULL"}], [0, 1, 2]),
    "and": (
        [{"column": "speed", "operator": ">", "value": 0}, {"column": "ok", "operator": "=", "value": True}],
        [2, 4],
    ),
    "group": (
        [
            {
                "combinator": "OR",
                "filters": [
                    {"column": "speed", "operator": "=", "value": 0},
                    {"column": "speed", "operator": "=", "value": 5},
                ],
            }
        ],
        [0, 5],
    ),
    "json path": ([{"column": "extra.axis", "operator": "=", "value": "x", "dataType": "string"}], [1, 2]),
    "unknown column": ([{"column": "nothing", "operator": "=", "value": 4}], [0, 1, 2, 3, 4, 5]),
}


@pytest.fixture(scope="module")
def filtered(one: Container) -> Container:
    rows = []
    for each in range(6):
        row = {"tsp": moment(each, day=5), "speed": each, "name": f"{each}{'ab'[each % 2]}", "ok": each % 2 == 0}
        row |= {"count": each} if each < 3 else {}
        row |= {"extra": {"axis": "x"}} if each in (1, 2) else {}
        rows.append(row)
    one.do("append_rows_to_table", "readings", rows)
    return one


@pytest.mark.parametrize("kind", FILTERS)
def test_history_takes_each_kind_of_filter(filtered: Container, kind: str) -> None:
    filters, found = FILTERS[kind]
    rows = history(filtered, "readings", timeRange=[moment(0, 5), moment(60, 5)], filterAnd=filters)
    assert [row["speed"] for row in rows] == found


def test_history_of_one_device_a_page_and_some_columns(site: Site, filtered: Container) -> None:
    span = [ms(0, 5), ms(60, 5)]
    device = [{"column": "device_key", "operator": "=", "value": site.devices[0]}]
    rows = history(filtered, "readings", timeRange=span, filterAnd=device, limit=2, offset=1, columns=["speed"])
    assert [row["speed"] for row in rows] == [3, 4]
    assert set(rows[0]) == {"tsp", "device_key", "authid", "speed"}
    elsewhere = [{"column": "device_key", "operator": "=", "value": site.devices[1]}]
    assert history(filtered, "readings", timeRange=span, filterAnd=elsewhere) == []


def test_series_come_in_buckets(filtered: Container) -> None:
    asked = {
        "metrics": [{"ref": "speed", "method": "AVG"}, {"ref": "speed", "method": "COUNT"}],
        "limit": 3,
        "timeRange": [moment(0, 5), moment(6, 5)],
    }
    rows = filtered.do("get_series_history", "readings", asked)
    assert [(row["tsp"], row["AVG:speed"], row["COUNT:speed"]) for row in rows] == [
        (ms(0, 5), 0.5, 2),
        (ms(2, 5), 2.5, 2),
        (ms(4, 5), 4.5, 2),
    ]


def test_the_latest_row_of_each_entity(one: Container) -> None:
    for second, name, row in (
        (0, "mill", {"state": "on", "load": 1}),
        (1, "saw", {"state": "off"}),
        (2, "mill", {"load": 2}),
    ):
        one.do("append_to_table", "machines", {"tsp": moment(second), "name": name, **row})

    rows = history(one, "machines", filterAnd=[{"latest": True}])
    assert [(row["name"], row["state"], row["load"]) for row in rows] == [("saw", "off", None), ("mill", "on", 2)]
    again = {"tsp": moment(2), "name": "mill", "load": 3}
    refused(one, "sys.dataservice.error.entity_key_conflict", "append_to_table", "machines", again)


def test_secrets_are_hidden_revealed_and_verified(one: Container) -> None:
    one.do("append_to_table", "vault", {"tsp": moment(0), "name": "door", "pin": "hunter2"})
    one.do("append_to_table", "vault", {"tsp": moment(1), "name": "door", "pin": "__secret__"})

    assert [row["pin"] for row in history(one, "vault")] == ["__secret__", "__secret__"]
    assert [row["pin"] for row in one.do("reveal_secrets", "vault", {"limit": 5})] == ["hunter2", "hunter2"]
    verified = one.do("verify_secret", "vault", "pin", "hunter2", {"limit": 5})
    assert verified in (True, {"match": True, "checked": 2})
    assert one.do("verify_secret", "vault", "pin", "other", {"limit": 5}) in (False, {"match": False, "checked": 2})


def test_a_device_function_is_called_from_the_other_device(site: Site, one: Container, other: Container) -> None:
    one.do("register_device_function", "measure", function("measure"))
    answer = other.do("call_device_function", site.devices[0], "measure", [1, 2], {"unit": "mm"})
    assert (answer["function"], answer["args"]) == ("measure", [1, 2])
    assert answer["kwargs"]["unit"] == "mm"


def test_a_transform_is_read_and_published(one: Container) -> None:
    one.do("append_to_table", "readings", {"tsp": moment(0, day=9), "speed": 7, "name": "summed"})
    one.do("subscribe_to_table", "totals", handler("totals"))

    def total() -> Any:
        found = [row for row in history(one, "totals") if row["name"] == "summed"]
        return found and found[0]["total"] == 7

    wait_until(total, SOON_S, "the view has the row")
    refused(one, "sys.dataservice.error.invalid_limit", "getHistory", "totals", {"limit": 3001})
    wait_until(lambda: one.of("totals"), 80.0, "the view was published")
    assert any(row["name"] == "summed" for row in one.of("totals")[0][0])


def test_errors_stand_in_the_error_log(one: Container) -> None:
    one.do("subscribe_to_table", "error-logs", handler("errors"))
    one.do("report_error", "the belt is torn", level="warning", user_message="Belt!")
    wait_until(lambda: one.of("errors"), SOON_S, "the error has come")
    (row,) = one.of("errors")[0]
    assert (row["msg"], row["user_message"], row["level"], row["source"]) == (
        "the belt is torn",
        "Belt!",
        "warning",
        "app",
    )


def test_a_raw_row_that_is_refused_stands_in_the_error_log(site: Site, one: Container) -> None:
    one.do("publish", f"{site.project}.{site.app}.readings", {"speed": 1})
    wait_until(
        lambda: [row for row in history(one, "error-logs") if row["source"] == "system"], SOON_S, "it was written down"
    )


def test_the_location_is_taken(site: Site, one: Container) -> None:
    one.do("set_device_location", 8.55, 47.37)
    (row,) = history(one, "device-location")
    assert (row["long"], row["lat"], row["device_key"]) == (8.55, 47.37, site.devices[0])


def test_a_payload_cannot_name_another_device(site: Site, one: Container) -> None:
    row = {"tsp": moment(0, day=11), "speed": 1}
    error = refused(
        one, "wamp.error.not_authorized", "append_to_table", "readings", row, DEVICE_KEY=str(site.devices[1])
    )
    assert "another device" in error.text
    assert history(one, "readings", timeRange=[moment(0, 11), moment(60, 11)]) == []


def test_a_table_that_is_not_there_is_waited_for(site: Site, one: Container) -> None:
    began = one.begin("append_to_table", "readings2", {"tsp": moment(0)})
    with pytest.raises(AssertionError, match="no answer"):
        one.wait(began, 3.0)


def test_a_long_history_comes_whole(one: Container) -> None:
    blob = "x" * 100_000
    for part in range(4):
        rows = [{"tsp": moment(30 * part + each, day=13), "name": blob} for each in range(30)]
        one.do("append_rows_to_table", "readings", rows)
    rows = history(one, "readings", timeRange=[moment(0, 13), moment(999, 13)], limit=1000)
    assert [int(row["tsp"]) for row in rows] == [ms(each, 13) for each in range(120)]
    assert all(row["name"] == blob for row in rows)


def test_another_app_is_read_by_the_grant_of_the_owner_alone(site: Site) -> None:
    name = new_name("viewer")
    consumes = {"consumes": [{"app": site.name, "reason": "to show"}], "data": {"tables": []}}
    viewer = site.install(name, consumes)
    access = {"project": site.project, "app": viewer, "provider": site.name}
    with Container(site.platform, VERSION, site.environment(site.devices[0], viewer)) as reader:
        reader.do("start")

        def denied() -> str | None:
            try:
                reader.do("connect_to_app", site.name)
            except SdkError as error:
                return error.code
            return None

        wait_until(lambda: denied() == "NO_GRANT", SOON_S, "there is no grant")
        site.owner.call("ironflock.realms.access.grant", **access)

        def connected() -> bool:
            try:
                reader.do("connect_to_app", site.name, keep="provider")
            except SdkError:
                return False
            return True

        wait_until(connected, SOON_S, "the grant is known")
        shared = {each["tablename"] for each in reader.do("tables", on="provider")}
        assert {"readings", "machines", "vault"} <= shared
        assert not {"inside", "error-logs", "device-location"} & shared
        with site.container(VERSION) as provider:
            provider.do("start")
            provider.do("append_to_table", "machines", {"tsp": moment(0, day=20), "name": "lathe", "state": "on"})
        rows = reader.do("get_history", "machines", {"limit": 10}, on="provider")
        assert {row["name"] for row in rows} >= {"lathe"}
        site.owner.call("ironflock.realms.access.revoke", **access)
        wait_until(lambda: reader.do("list_consumable_apps") == [], SOON_S, "the grant is gone")
        wait_until(lambda: not reader.do("is_connected", on="provider"), SOON_S, "the reader is out")
    read = [
        each
        for each in _audited(site)
        if each["action"] == "data.read" and (each["after"] or {}).get("reader_app_key") == viewer
    ]
    assert [(each["after"]["table"], each["after"]["rows"]) for each in read] == [("machines", len(rows))]


def _audited(site: Site) -> list[dict[str, Any]]:
    def entries() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = site.owner.call(
            "ironflock.audit.entry.list", project=site.project, action="data.read"
        )["entries"]
        return found

    return wait_until(entries, SOON_S, "the log has the read")


def test_it_goes_on_after_its_credential_was_rotated_and_the_router_restarted(
    ironflock: RunningPlatform, tmp_path: Path
) -> None:
    site = make_site(ironflock, Account(ironflock, ironflock.owner_key))
    mirror = tmp_path / "env"
    mirror.mkdir()

    def write() -> None:
        for name, value in site.environment(site.devices[0]).items():
            (mirror / f"{name}.txt").write_text(value)

    write()
    with site.container(VERSION, IRONFLOCK_ENV_DIR=str(mirror)) as one, site.container(VERSION, 1) as other:
        for container in (one, other):
            container.do("start")
        one.do("register_device_function", "measure", function("measure"))
        other.do("subscribe_to_table", "readings", handler("readings"))
        one.do("append_to_table", "readings", {"tsp": moment(0), "speed": 1})
        rotate = {"device": site.devices[0], "app": site.app, "stage": "DEV"}
        assert site.owner.call("ironflock.devices.app.rotate_credential", **rotate)["epoch"] == 2
        write()
        one.do("append_to_table", "readings", {"tsp": moment(1), "speed": 2})

        killed = ironflock.kill("router")
        wait_until(lambda: not one.do("is_connected"), SOON_S, "the connection is lost")
        began = one.begin("append_to_table", "readings", {"tsp": moment(2), "speed": 3})
        wait_until(lambda: ironflock.is_back("router", killed), 60.0, "the router is back")
        assert one.wait(began) == {"success": True}
        one.do("append_to_table", "readings", {"tsp": moment(3), "speed": 4})

        assert [row["speed"] for row in history(other, "readings")] == [1, 2, 3, 4]
        wait_until(
            lambda: {args[0]["speed"] for args in other.of("readings")} == {1, 2, 3, 4}, SOON_S, "it has caught up"
        )

        def answered() -> bool:
            try:
                return bool(other.do("call_device_function", site.devices[0], "measure", [1])["args"] == [1])
            except SdkError:
                return False

        wait_until(answered, SOON_S, "the function is there again")
