"""The table of routes is whole: every procedure of people's has its call, every argument its place."""

import re

import attrs
import pytest

from services.gateway.records import TEXTS, Kind, Route
from services.gateway.rules.routes import ROUTES, allowed, placeholders, routes_at
from tests.unit.gateway.description import EXAMPLES, FILE, WORDS, declarations, text

DECLARED = declarations()
IDS = [f"{route.method} {route.template}" for route in ROUTES]
README = FILE.with_name("README.md")
NOT_BY_GET = {
    "ironflock.devices.rollout.plan",  # too long for a query
    "ironflock.privileges.flag.check_many",  # too long for a query
    "ironflock.realms.board.open",  # changes nothing but that there is one ticket more, which is used up
}


def test_whatever_people_do_on_the_bus_they_can_do_here_unless_it_streams() -> None:
    routed = {route.procedure for route in ROUTES}
    streams = {uri for uri, (declaration, _) in DECLARED.items() if declaration.is_stream}

    assert routed == DECLARED.keys() - streams


def test_the_streams_are_named_as_missing() -> None:
    said = README.read_text(encoding="utf-8")

    for uri, (declaration, _) in DECLARED.items():
        assert not declaration.is_stream or f"`{uri}`" in said


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_each_argument_comes_from_one_place(route: Route) -> None:
    fields = {field.name: field for field in attrs.fields(DECLARED[route.procedure][0].payload)}
    many = {"device"} if route.many == "ids" else set()
    placed = [*route.path.values(), *(set(route.query) - {"ids"}), *(route.body or ()), *many]

    assert len(placed) == len(set(placed))
    needed = {name for name, field in fields.items() if field.default is attrs.NOTHING}
    assert needed <= set(placed) <= set(fields)


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_only_what_cannot_be_meant_is_left_out(route: Route) -> None:
    fields = {field.name for field in attrs.fields(DECLARED[route.procedure][0].payload)}
    left = fields - {*route.path.values(), *route.query, *(route.body or ())} - {"device"}

    assert left <= {"project"}, "a device's key is the whole installation's: its project need not be named"


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_a_path_s_placeholders_are_the_table_s(route: Route) -> None:
    assert re.findall(r"{([a-z_]+)}", route.template) == list(route.path)
    assert not set(route.query.values()) & {Kind.KEYS} or route.many


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_a_row_of_the_readme_tells_it(route: Route) -> None:
    assert f"| `{route.method} {route.template}` | `{route.procedure}` |" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_it_is_found_by_its_own_path(route: Route) -> None:
    found = tuple("7" if part.startswith("{") else part for part in route.segments)

    assert route in routes_at(found)
    assert placeholders(route, found) == dict.fromkeys(route.path, "7")
    assert route.method in allowed(routes_at(found)).split(", ")


def test_no_method_stands_twice_at_one_path() -> None:
    assert len(set(IDS)) == len(ROUTES)


def test_where_two_templates_fit_the_one_that_names_more_is_meant() -> None:
    [route] = routes_at(("factors", "totp"))

    assert route.template == "/factors/totp"


@pytest.mark.parametrize(
    "segments", [(), ("",), ("nothing",), ("devices", "1", "2", "3"), ("Devices",), ("devices", "")]
)
def test_what_is_not_in_the_table_has_no_route(segments: tuple[str, ...]) -> None:
    assert all("" in segments for _ in routes_at(segments))


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_whoever_gets_changes_nothing(route: Route) -> None:
    reads = DECLARED[route.procedure][0].is_reading

    assert (route.method == "GET") == (reads and route.procedure not in NOT_BY_GET)
    assert reads or route.method != "GET"


def test_every_text_of_a_path_stands_in_one() -> None:
    assert {name for route in ROUTES for name in route.path} >= TEXTS


def test_the_description_is_what_the_procedures_are() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "python -m tests.unit.gateway.description"


def test_no_word_of_the_description_is_left_over() -> None:
    used = {name for route in ROUTES for name in (*route.path, *route.query, *(route.body or ()))}

    assert used == set(WORDS)
    assert set(EXAMPLES) <= set(IDS)
