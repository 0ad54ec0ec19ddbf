"""The whole site: every page once, each for whom it is."""

from pathlib import Path

from services.auth.pages.routes import Access, Route, get, post
from services.auth.pages.whole import places_of
from tests.unit.auth.test_rendering import RENDERING

PAGES = Path(__file__).parents[3] / "services" / "auth" / "pages"


async def nothing(_: object) -> object:
    return None


def test_a_page_is_for_anybody_unless_it_says_otherwise() -> None:
    shown, sent = get("/x", nothing), post("/x", nothing, Access.FRESH)  # type: ignore[arg-type]

    assert (shown.method, shown.access) == ("GET", Access.ANYBODY)
    assert (sent.method, sent.access) == ("POST", Access.FRESH)


def test_places_are_what_can_be_looked_at() -> None:
    routes = [Route("GET", "/a", nothing), Route("POST", "/b", nothing)]  # type: ignore[arg-type]

    assert places_of(routes) == {"/a"}


def test_every_template_is_shown_by_a_page_or_is_part_of_one() -> None:
    templates = set(RENDERING._templates.list_templates())
    texts = [
        file.read_text(encoding="utf-8") for file in (*PAGES.glob("*.py"), *(PAGES.parent / "templates").iterdir())
    ]

    assert {name for name in templates if not any(f'"{name}"' in text for text in texts)} == set()
