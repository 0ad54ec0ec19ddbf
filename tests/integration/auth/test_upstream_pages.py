"""People come by another provider: who signs in, who arrives, who is asked first, and who stays outside."""

import asyncio
from typing import Any

import pytest

from services.auth.records.sessions import NewSession
from tests.integration.auth.elsewhere import Elsewhere
from tests.integration.auth.people import HOME, NAME, PASSWORD
from tests.integration.auth.relying import onward
from tests.integration.auth.standin import StandIn

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
VERIFIED: dict[str, Any] = {"email": "Bea@Example.com", "email_verified": True, "name": "Bea Weber"}


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


async def test_an_invited_person_arrives_by_a_verified_address(elsewhere: Elsewhere, standin: StandIn) -> None:
    host = await elsewhere.people.join()
    elsewhere.people.set_first_owner(host)
    key = await elsewhere.people.registration.invite(elsewhere.people.person(host), "bea@example.com", "de")
    elsewhere.close_sign_up()
    await elsewhere.people.post()

    assert await elsewhere.come(elsewhere.browser(), **{**VERIFIED, "email": "BEA@EXAMPLE.com", "name": "1"}) == 200

    query = f"SELECT state, display_name, password_hash FROM auth.account WHERE account_key = {key}"  # noqa: S608
    assert elsewhere.rows(query) == [("active", "BEA", None)]
    assert elsewhere.rows("SELECT count(*) FROM auth.link") == [(0,)]
    assert elsewhere.rows("SELECT provider, subject, account_key FROM auth.upstream_link") == [("works", "u-1", key)]


@pytest.mark.parametrize(
    ("claims", "changes"),
    [
        ({"email_verified": False}, {}),
        ({"email_verified": None}, {}),
        ({"email_verified": "true"}, {}),
        ({"email": None}, {}),
        ({"email": "no address"}, {}),
        ({"email": ["bea@example.com"]}, {}),
        ({}, {"trusts_addresses": False}),
    ],
    ids=str,
)
async def test_an_address_that_nobody_vouches_for_opens_nothing(
    elsewhere: Elsewhere, standin: StandIn, claims: dict[str, Any], changes: dict[str, Any]
) -> None:
    elsewhere.know(standin.provider(**changes))
    host = await elsewhere.people.join()
    elsewhere.people.set_first_owner(host)
    await elsewhere.people.registration.invite(elsewhere.people.person(host), "bea@example.com", "de")
    before = elsewhere.state()

    assert await elsewhere.come(elsewhere.browser(), **{**VERIFIED, **claims}) == 403

    assert elsewhere.state() == before


async def test_without_an_invitation_nobody_comes_where_it_takes_one(elsewhere: Elsewhere) -> None:
    await elsewhere.people.join("bea@example.com")
    elsewhere.close_sign_up()
    told = []
    for address, state in (("new@example.com", "active"), ("bea@example.com", "disabled")):
        elsewhere.people.postgres.run("UPDATE auth.account SET state = %s", state)
        before = elsewhere.state()
        browser = elsewhere.browser()
        assert await elsewhere.come(browser, **{**VERIFIED, "email": address}) == 403
        told.append(browser.page.roles["alert"])
        assert elsewhere.state() == before
    assert len(set(told)) == 1


async def test_a_required_claim_is_required(elsewhere: Elsewhere, standin: StandIn) -> None:
    elsewhere.know(standin.provider(required_claims={"hd": "works.example"}))
    for claims in ({}, {"hd": "other.example"}, {"hd": ["works.example"]}):
        assert await elsewhere.come(elsewhere.browser(), **VERIFIED, **claims) == 403
    assert await elsewhere.come(elsewhere.browser(), **VERIFIED, hd="works.example") == 200


async def linked(elsewhere: Elsewhere, name: str = NAME) -> tuple[NewSession, int]:
    """Somebody with a password here and a link."""
    new = await elsewhere.people.join(name)
    key = new.session.account_key
    elsewhere.people.postgres.run(
        "INSERT INTO auth.upstream_link (provider, subject, account_key) VALUES ('works', 'u-1', %s)", key
    )
    await elsewhere.people.post()
    return new, key


async def test_our_second_factor_is_asked_for_all_the_same(elsewhere: Elsewhere, standin: StandIn) -> None:
    new, _ = await linked(elsewhere)
    secret = await elsewhere.people.enrol(new)
    browser = elsewhere.browser()

    assert await elsewhere.come(browser, to="/account/sessions", amr=["mfa"]) == 200
    assert browser.at == "/sign-in/second-factor"
    assert "__Host-ironflock_session" not in browser.jar
    elsewhere.people.later()
    assert await browser.submit("/sign-in/second-factor", code=elsewhere.people.code(secret)) == 200

    assert browser.at == "/account/sessions"
    query = "SELECT amr, upstream_id IS NOT NULL FROM auth.session ORDER BY created_at DESC LIMIT 1"
    assert elsewhere.rows(query) == [(["fed", "otp", "mfa"], True)]


@pytest.mark.parametrize(
    ("claims", "is_enough"),
    [
        ({"amr": ["pwd", "mfa"]}, True),
        ({"amr": ["hwk"]}, True),
        ({"acr": "urn:ironflock:acr:two-factors"}, True),
        ({"amr": ["pwd"]}, False),
        ({"amr": "mfa"}, False),
        ({"acr": ["mfa"]}, False),
        ({"amr": [["mfa"]]}, False),
        ({}, False),
    ],
    ids=str,
)
async def test_two_factors_there_spare_ours_where_the_operator_says_so(
    elsewhere: Elsewhere, standin: StandIn, claims: dict[str, Any], is_enough: bool
) -> None:
    elsewhere.know(standin.provider(satisfies_second_factor=True))
    new, _ = await linked(elsewhere)
    await elsewhere.people.enrol(new)
    browser = elsewhere.browser()

    assert await elsewhere.come(browser, **claims) == 200

    assert browser.at == ("/account" if is_enough else "/sign-in/second-factor")


async def test_a_disabled_account_is_opened_by_nobody(elsewhere: Elsewhere) -> None:
    await linked(elsewhere)
    elsewhere.people.postgres.run("UPDATE auth.account SET state = 'disabled'")
    before = elsewhere.state()
    browser = elsewhere.browser()

    assert await elsewhere.come(browser) == 403

    assert "Ask for an invitation" in browser.text
    assert elsewhere.state()[:-1] == before[:-1]
    assert elsewhere.people.actions()[-1] == "sign_in.refused"


async def test_one_account_there_is_linked_with_one_here(elsewhere: Elsewhere, standin: StandIn) -> None:
    await linked(elsewhere)
    await elsewhere.people.join("bea@example.com")
    for name, subject in (("bea@example.com", "u-1"), (NAME, "u-2")):
        browser = elsewhere.browser()
        await browser.sign_in(name, to="/account/providers/link?provider=works")
        await browser.submit("/account/providers/link")
        standin.sub = subject
        before = elsewhere.state()
        assert await browser.get(standin.authorize(onward(browser))) == 403
        assert "linked already" in browser.text
        assert elsewhere.state() == before
        assert await browser.get("/account") == 200


async def test_a_link_comes_back_to_the_session_that_asked_for_it(elsewhere: Elsewhere, standin: StandIn) -> None:
    await elsewhere.people.join()
    browser = elsewhere.browser()
    await browser.sign_in(to="/account/providers/link?provider=works")
    await browser.submit("/account/providers/link")
    back = standin.authorize(onward(browser))
    del browser.jar["__Host-ironflock_session"]
    await browser.sign_in()

    assert await browser.get(back) == 403
    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_link") == [(0,)]


async def test_a_link_that_waits_is_confirmed_by_its_own_person_alone_and_once(elsewhere: Elsewhere) -> None:
    await elsewhere.people.join()
    await elsewhere.people.join("bea@example.com")
    browser = elsewhere.browser()
    await elsewhere.come(browser, **{**VERIFIED, "email": NAME})
    offer = browser.jar["__Host-ironflock_upstream"]

    await browser.submit("/sign-in", login_name="bea@example.com", password=PASSWORD)
    assert browser.reply.status == 410
    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_link") == [(0,)]

    browser = elsewhere.browser()
    await browser.sign_in()
    browser.jar["__Host-ironflock_upstream"] = offer
    assert await browser.get("/account/providers/confirm") == 200
    form = dict(browser.page.forms["/account/providers/confirm"])
    answers = [(await browser.post("/account/providers/confirm", form)).status]
    browser.jar["__Host-ironflock_upstream"] = offer
    answers.append((await browser.post("/account/providers/confirm", form)).status)
    assert answers == [303, 410]


async def test_what_changes_links_is_fresh(elsewhere: Elsewhere) -> None:
    new, _ = await linked(elsewhere)
    browser = elsewhere.browser()
    await browser.sign_in()
    elsewhere.people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '6 minutes'")
    for page in ("link?provider=works", "unlink?provider=works", "confirm"):
        await browser.get(f"/account/providers/{page}")
        assert browser.at == "/step-up", page
    assert new.session.account_key
    assert await browser.get("/account/providers/link?provider=nope") == 200  # asked for who they are first


async def test_the_last_way_in_stays(elsewhere: Elsewhere) -> None:
    browser, other = elsewhere.browser(), elsewhere.browser()
    await elsewhere.come(browser, **VERIFIED)
    await elsewhere.come(other)
    await browser.get("/account/providers/unlink?provider=works")
    assert await browser.submit("/account/providers/unlink") == 409
    assert "only way" in browser.text
    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_link") == [(1,)]

    await browser.get("/account/password")
    await browser.submit("/account/password", password=PASSWORD)
    await elsewhere.come(other)
    await browser.get("/account/providers/unlink?provider=works")
    assert await browser.submit("/account/providers/unlink") == 200, browser.text
    await other.get("/account")
    assert other.at == "/sign-in"


async def test_who_has_no_password_shows_the_provider_again_who_they_are(
    elsewhere: Elsewhere, standin: StandIn
) -> None:
    browser = elsewhere.browser()
    await elsewhere.come(browser, **VERIFIED)
    elsewhere.people.postgres.run("UPDATE auth.session SET authenticated_at = authenticated_at - interval '6 minutes'")
    await browser.get("/account/data/delete")
    assert browser.at == "/step-up"
    assert "/step-up" not in browser.page.forms
    await browser.submit("/step-up/provider")
    url = onward(browser)
    assert "prompt=login" in url
    assert "max_age=0" in url
    back = standin.authorize(url)
    before = elsewhere.state()

    for claims in ({"auth_time": None}, {"auth_time": int(elsewhere.people.now) - 200}):
        standin.claims = claims
        assert await browser.get(back) == 403
        assert elsewhere.state() == before
        await browser.get("/step-up?return_to=/account/data/delete")
        await browser.submit("/step-up/provider")
        back = standin.authorize(onward(browser))
    standin.claims, cookie = {}, browser.jar["__Host-ironflock_session"]
    assert await browser.get(back) == 200

    assert browser.at == "/account/data/delete"
    assert browser.jar["__Host-ironflock_session"] != cookie
    assert elsewhere.people.actions()[-1] == "session.reauthenticated"


async def test_a_second_factor_here_is_not_shown_by_signing_in_there(elsewhere: Elsewhere, standin: StandIn) -> None:
    new, _ = await linked(elsewhere)
    browser = elsewhere.browser()
    await browser.sign_in(to="/step-up?return_to=/account/data/delete")
    await browser.get("/step-up?return_to=/account/data/delete")
    await browser.submit("/step-up/provider")
    back = standin.authorize(onward(browser))
    await elsewhere.people.enrol(new)

    assert await browser.get(back) == 403

    assert elsewhere.rows("SELECT count(*) FROM auth.session WHERE factor_at IS NOT NULL") == [(0,)]


async def test_somebody_else_there_is_not_them(elsewhere: Elsewhere, standin: StandIn) -> None:
    browser = elsewhere.browser()
    await elsewhere.come(browser, **VERIFIED)
    await browser.get("/step-up")
    await browser.submit("/step-up/provider")
    standin.sub = "u-2"
    before = elsewhere.state()

    assert await browser.get(standin.authorize(onward(browser))) == 403

    assert elsewhere.state() == before


async def test_who_comes_by_a_provider_alone_gets_no_password_by_letter(elsewhere: Elsewhere) -> None:
    await elsewhere.come(elsewhere.browser(), **VERIFIED)
    await elsewhere.people.post()

    await elsewhere.people.changes.ask_reset("bea@example.com", HOME)

    assert await elsewhere.people.post() == []


async def test_two_who_come_at_once_are_one(elsewhere: Elsewhere, standin: StandIn) -> None:
    standin.claims = VERIFIED
    browsers = [elsewhere.browser() for _ in range(5)]
    backs = [standin.authorize(await elsewhere.sent(browser)) for browser in browsers]

    statuses = await asyncio.gather(*(each.get(back) for each, back in zip(browsers, backs, strict=True)))

    assert statuses == [200] * 5
    assert elsewhere.rows("SELECT count(*) FROM auth.account") == [(1,)]
    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_link") == [(1,)]


async def test_nobody_is_sent_to_a_provider_that_is_none_or_by_another_site(elsewhere: Elsewhere) -> None:
    browser = elsewhere.browser()
    await browser.get("/sign-in")
    form = browser.page.forms["/upstream/works"]
    assert (await browser.post("/upstream/nope", form)).status == 404
    assert (await browser.post("/upstream/../works", form)).status == 404
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert (await browser.post("/upstream/works", form, foreign)).status == 403
    assert (await browser.post("/upstream/works", {**form, "form_token": "x"})).status == 403
    assert await browser.get("/upstream/works") == 405
    assert elsewhere.rows("SELECT count(*) FROM auth.upstream_request") == [(0,)]
    assert await browser.get("/sign-in/refused?because=anything") == 404


async def test_an_erased_person_leaves_nothing_of_other_providers(elsewhere: Elsewhere) -> None:
    browser = elsewhere.browser()
    await elsewhere.come(browser, **VERIFIED)
    await elsewhere.come(elsewhere.browser(), sub="u-2", **VERIFIED)  # a link that waits
    await browser.get("/account/data/delete")
    assert await browser.submit("/account/data/delete", confirm="Bea@example.com") == 200, browser.text

    for table in ("link", "session", "offer"):
        assert elsewhere.rows(f"SELECT count(*) FROM auth.upstream_{table}") == [(0,)], table  # noqa: S608
