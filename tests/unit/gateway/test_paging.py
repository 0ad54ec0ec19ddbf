"""Where a list goes on."""

from typing import Any

import pytest

from services.gateway.records import Route
from services.gateway.rules.paging import next_page
from services.gateway.rules.routes import PAGE

LIST = Route("GET", "/devices", "ironflock.devices.device.list", query=PAGE)
SHOW = Route("GET", "/devices", "ironflock.devices.device.list")


def test_the_next_page_is_linked_with_what_was_asked_for() -> None:
    query = {"project": "pl\u00e4nt & co", "cursor": "old", "offset": "7", "limit": "2"}

    [(name, link)] = next_page(LIST, "/devices", query, {"devices": [], "next": "azE"})

    assert name == "link"
    assert link == '</v1/ironflock/devices?project=pl%C3%A4nt+%26+co&limit=2&cursor=azE>; rel="next"'


@pytest.mark.parametrize(
    ("route", "answer"), [(LIST, {"next": None}), (LIST, {}), (LIST, []), (LIST, None), (SHOW, {"next": "azE"})]
)
def test_there_is_no_link_where_nothing_follows(route: Route, answer: Any) -> None:
    assert next_page(route, "/devices", {}, answer) == ()


def test_nothing_that_was_asked_for_leaves_the_header() -> None:
    [(_, link)] = next_page(LIST, "/devices", {"project": 'x>; rel="x"\r\nset-cookie: a'}, {"next": "azE"})

    assert "\r" not in link
    assert "\n" not in link
    assert link.count(">") == 1
