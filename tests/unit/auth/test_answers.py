"""Where a sign-in goes on."""

from services.auth.pages.answers import Document, Page, Redirect, onward
from services.auth.pages.cookies import of_notice


def test_to_our_own_pages_by_a_redirect_to_others_by_a_page() -> None:
    cookie = of_notice("saved")

    assert onward("/account", cookie) == Redirect("/account", (cookie,))
    assert onward("/oauth/authorize?x", cookie) == Page("onward.html", {"to": "/oauth/authorize?x"}, cookies=(cookie,))


def test_what_is_shown_stands_in_no_log() -> None:
    assert "s3cret" not in repr(Page("x.html", {"code": "s3cret"}))
    assert "s3cret" not in repr(Document(b"s3cret", "text/plain"))
