"""People come by another provider: who signs in, who arrives, who is asked first, and who stays outside."""

from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio

from services.auth.erasure import Erasure
from tests.integration.auth.elsewhere import Elsewhere
from tests.integration.auth.neighbours import Neighbours
from tests.integration.auth.people import NAME, PASSWORD, People
from tests.integration.auth.relying import onward
from tests.integration.auth.standin import StandIn
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
VERIFIED: dict[str, Any] = {"email": "Bea@Example.com", "email_verified": True, "name": "Bea Weber"}


@pytest.fixture
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(make_certificates(tmp_path_factory.mktemp("standin")), lambda: 0.0) as standin:
        yield standin


@pytest_asyncio.fixture
async def elsewhere(people: People, erasure: Erasure, neighbours: Neighbours, standin: StandIn) -> Elsewhere:
    await neighbours.join()
    return Elsewhere(people, erasure, standin, [standin.provider()])


async def test_somebody_new_comes_where_sign_up_is_open_and_signs_in_again(elsewhere: Elsewhere) -> None:
    browser = elsewhere.browser()

    assert await elsewhere.come(browser, **VERIFIED) == 200, browser.text
    assert browser.at == "/account"
    assert "Bea Weber" in browser.text
    assert {"account.created", "account.verified", "upstream.linked", "session.started"} <= set(
        elsewhere.people.actions()
    )
    (letter,) = await elsewhere.people.post()
    assert letter.recipient == "Bea@example.com"
    assert "linked" in letter.text

    other = elsewhere.browser()
    assert await elsewhere.come(other, to="/account/sessions") == 200
    assert other.at == "/account/sessions"
    assert elsewhere.rows("SELECT count(*) FROM auth.account") == [(1,)]
    assert elsewhere.rows("SELECT DISTINCT amr FROM auth.session") == [(["fed"],)]


async def test_an_account_with_the_address_is_taken_over_by_nobody(elsewhere: Elsewhere) -> None:
    await elsewhere.people.join()
    await elsewhere.people.post()
    browser = elsewhere.browser()

    assert await elsewhere.come(browser, **{**VERIFIED, "email": NAME.upper()}) == 200
    assert browser.at == "/sign-in"
    assert "Sign in to it once" in browser.text
    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_link") == [(0,)]

    await browser.submit("/sign-in", login_name=NAME, password=PASSWORD)
    assert browser.at == "/account/providers/confirm", browser.text
    assert await browser.submit("/account/providers/confirm") == 200
    assert browser.at == "/account/sign-in"
    assert "The account is linked." in browser.text
    (letter,) = await elsewhere.people.post()
    assert "linked" in letter.text

    other = elsewhere.browser()
    assert await elsewhere.come(other) == 200
    assert other.at == "/account"


async def test_who_is_signed_in_links_and_unlinks(elsewhere: Elsewhere) -> None:
    await elsewhere.people.join()
    browser = elsewhere.browser()
    await browser.sign_in(to="/account/sign-in")
    assert "Not linked" in browser.text

    await browser.get("/account/providers/link?provider=works")
    await browser.submit("/account/providers/link")
    assert await browser.get(elsewhere.standin.authorize(onward(browser))) == 200
    assert browser.at == "/account/sign-in", browser.text
    assert "Linked just now" in browser.text

    await browser.get("/account/providers/unlink?provider=works")
    await browser.submit("/account/providers/unlink")
    assert "no longer linked" in browser.text
    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_link") == [(0,)]
    assert [each for each in elsewhere.people.actions() if "upstream" in each] == [
        "upstream.linked", "upstream.unlinked",
    ]  # fmt: skip
