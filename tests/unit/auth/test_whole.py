"""The whole site: every page once, each for whom it is."""

import re
from pathlib import Path
from typing import Any, cast

from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.whole import places_of, routes_of
from tests.unit.auth.test_rendering import RENDERING

PAGES = Path(__file__).parents[3] / "services" / "auth" / "pages"


async def nothing(_: object) -> object:
    return None


def test_a_page_is_for_anybody_unless_it_says_otherwise() -> None:
    shown, sent = get("/x", nothing), post("/x", nothing, Access.FRESH)  # type: ignore[arg-type]

    assert (shown.method, shown.access) == ("GET", Access.ANYBODY)
    assert (sent.method, sent.access) == ("POST", Access.FRESH)


class Anything:
    """Stands for every part that pages are made of."""

    def __getattr__(self, name: str) -> "Anything":  # noqa: D105 - all that it is
        return self


def test_every_page_stands_in_the_readme_and_no_other_does() -> None:
    text = (PAGES.parent / "README.md").read_text(encoding="utf-8")
    table = text.partition("## The pages")[2].partition("## Errors")[0].partition("*Fresh*")[0]
    told = {path for path in re.findall(r"`(/[^`]*)`", table) if not path.startswith("/static/")}

    assert told == {route.path for route in routes_of(cast("Any", Anything()))}


def test_no_two_pages_have_one_path_and_method() -> None:
    routes = [(route.method, route.path) for route in routes_of(cast("Any", Anything()))]

    assert len(routes) == len(set(routes))


def test_places_are_what_can_be_looked_at() -> None:
    routes = [Route("GET", "/a", nothing), Route("POST", "/b", nothing)]  # type: ignore[arg-type]

    assert places_of(routes) == {"/a"}


def test_every_template_is_shown_by_a_page_or_is_part_of_one() -> None:
    templates = set(RENDERING._templates.list_templates())
    texts = [
        file.read_text(encoding="utf-8") for file in (*PAGES.glob("*.py"), *(PAGES.parent / "templates").iterdir())
    ]

    assert {name for name in templates if not any(f'"{name}"' in text for text in texts)} == set()
