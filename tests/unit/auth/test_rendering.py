"""Templates: what is put in is escaped, what is missing is an error; files are named by their content."""

from hashlib import sha256

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from services.auth.pages import cookies
from services.auth.pages.answers import Page
from services.auth.pages.rendering import CONTENT_TYPES, STATIC, Rendering, static_files
from services.auth.pages.visits import Visit
from services.auth.records.sessions import Source
from shared.errors import SignInRefusedError

VISIT = Visit("/sign-in", {}, {}, {}, Source("192.0.2.1", ""), "en", None, "fresh")
RENDERING = Rendering(lambda: 0.0, installation="accounts.test", is_sign_up_open=False, places=["/account"])


def rendered(page: Page, visit: Visit = VISIT) -> str:
    return RENDERING.render(visit, page, here="/").decode()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_what_somebody_typed_is_text_and_nothing_else(text: str) -> None:
    without = rendered(Page("sign_in.html", {"return_to": "/account", "login_name": ""}))

    shown = rendered(Page("sign_in.html", {"return_to": "/account", "login_name": f'"><script>{text}'}))

    assert shown.count("<") == without.count("<")
    assert shown.count("<script") == without.count("<script")


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        rendered(Page("sign_in.html", {"return_to": "/account"}))


def test_a_refusal_stands_in_the_title_and_at_the_top() -> None:
    shown = rendered(Page("sign_in.html", {"return_to": "/", "login_name": "x"}, SignInRefusedError("x")))

    assert "<title>Error: Sign in" in shown
    assert 'role="alert">The e-mail address and the password do not match.' in shown
    assert 'aria-invalid="true"' in shown


def test_a_notice_is_one_of_ours() -> None:
    page = Page("signed_out.html")
    told = evolve(VISIT, cookies={cookies.NOTICE: "saved"})

    assert RENDERING.notice(told, RENDERING.wording(told)) == "Saved."
    for made_up in ("", "x", "<b>", "saved.x"):
        visit = evolve(VISIT, cookies={cookies.NOTICE: made_up})
        assert RENDERING.notice(visit, RENDERING.wording(visit)) is None
        assert rendered(page, visit)


def test_the_page_speaks_the_language_that_it_says() -> None:
    german = rendered(Page("signed_out.html"), evolve(VISIT, locale="de"))

    assert '<html lang="de">' in german
    assert "Sie sind abgemeldet" in german


def test_every_file_has_a_path_of_its_content_and_a_type() -> None:
    files = static_files()

    assert {name for name, _ in files.values()} == {file.name for file in STATIC.iterdir()}
    for path, (name, content) in files.items():
        assert path == f"/static/{sha256(content).hexdigest()[:16]}/{name}"
        assert name[name.rindex(".") :] in CONTENT_TYPES
