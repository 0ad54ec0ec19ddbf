"""The front of the site: whose form it is, who may see what, and what is malformed; nothing of it is ever a 500."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.auth.pages import front as module
from services.auth.pages.answers import Answer, Page
from services.auth.pages.front import Front
from services.auth.pages.routes import Access, get
from services.auth.pages.visits import FORM_TYPE, MAX_FIELDS, Asked, Visit
from shared.errors import UnavailableError
from tests.integration.auth.browsers import FORM, SESSION, Browser
from tests.integration.auth.people import NAME, ORIGIN, PASSWORD, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
OWN = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}
SIGN_IN = {"login_name": NAME, "password": PASSWORD, "return_to": "/account"}


async def form_of(browser: Browser) -> dict[str, str]:
    """The fields of a sign-in that would succeed."""
    await browser.get("/sign-in")
    return {**SIGN_IN, "form_token": browser.page.forms["/sign-in"]["form_token"]}


async def test_a_form_of_this_browser_from_our_page_is_taken(people: People, browser: Browser) -> None:
    await people.join()

    reply = await browser.post("/sign-in", await form_of(browser))

    assert (reply.status, browser.header("location")) == (303, "/account")
    assert SESSION in browser.jar


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": ORIGIN + ".evil.example"},
        {"origin": ORIGIN.replace("https", "http")},
        {"origin": ORIGIN.upper()},
        {"sec-fetch-site": "cross-site", "origin": ORIGIN},
        {"sec-fetch-site": "same-site", "origin": ORIGIN},
        {"sec-fetch-site": "none", "origin": ORIGIN},
        {"sec-fetch-site": "", "origin": ORIGIN},
        {"referer": f"{ORIGIN}/sign-in"},
    ],
)
async def test_a_form_that_another_site_sent_is_refused(
    people: People, browser: Browser, headers: dict[str, str]
) -> None:
    await people.join()

    reply = await browser.post("/sign-in", await form_of(browser), headers)

    assert reply.status == 403
    assert "not sent from here" in (browser.alert or "")
    assert SESSION not in browser.jar


@pytest.mark.parametrize("headers", [{"origin": ORIGIN}, {"sec-fetch-site": "same-origin"}])
async def test_one_word_of_the_browser_is_enough(people: People, browser: Browser, headers: dict[str, str]) -> None:
    await people.join()

    assert (await browser.post("/sign-in", await form_of(browser), headers)).status == 303


async def no_token(browser: Browser, other: Browser) -> dict[str, str]:
    del other
    return {**await form_of(browser), "form_token": ""}


async def token_of_another_browser(browser: Browser, other: Browser) -> dict[str, str]:
    await form_of(browser)
    return await form_of(other)


async def token_without_cookie(browser: Browser, other: Browser) -> dict[str, str]:
    del other
    fields = await form_of(browser)
    browser.jar.pop(FORM)
    return fields


async def token_of_an_empty_cookie(browser: Browser, other: Browser) -> dict[str, str]:
    fields = await token_without_cookie(browser, other)
    browser.jar[FORM] = ""
    return fields


@pytest.mark.parametrize("harm", [no_token, token_of_another_browser, token_without_cookie, token_of_an_empty_cookie])
async def test_a_form_without_this_browser_s_token_is_refused(
    people: People, browser: Browser, front: Front, harm: Callable[[Browser, Browser], object]
) -> None:
    await people.join()
    fields = await harm(browser, Browser(front))  # type: ignore[misc]

    assert (await browser.post("/sign-in", fields)).status == 403
    assert SESSION not in browser.jar


async def test_once_signed_in_a_token_from_before_opens_no_page_of_the_account(
    people: People, browser: Browser
) -> None:
    await people.join()
    before = (await form_of(browser))["form_token"]
    await browser.sign_in()

    reply = await browser.post("/account", {"display_name": "Mallory", "locale": "en", "form_token": before})

    assert reply.status == 403
    assert people.postgres.rows("SELECT display_name FROM auth.account") == [("Anna",)]


async def test_every_form_of_the_site_is_refused_without_a_token(
    people: People, browser: Browser, front: Front
) -> None:
    await people.join()
    await browser.sign_in()
    before = people.actions()
    for (method, path), route in front.routes.items():
        if method == "POST" and not route.is_open:
            assert (await browser.post(path, {})).status == 403, path
            assert (await browser.ask("POST", path, b"", {})).status == 403, path

    assert people.actions() == before
    assert {path for (_, path), route in front.routes.items() if route.is_open} == {
        "/oauth/authorize", "/oauth/end_session",
    }  # fmt: skip


async def test_whoever_is_not_signed_in_is_sent_to_the_sign_in_and_back(
    people: People, browser: Browser, front: Front
) -> None:
    await people.join()
    kept = [route for route in front.routes.values() if route.access is not Access.ANYBODY]
    assert len(kept) > 30
    for route in kept:
        reply = await browser.ask(route.method, route.path, b"", OWN)
        assert reply.status == 303
        assert (browser.header("location") or "").startswith("/sign-in?return_to=%2F"), route.path

    await browser.get("/account/passkey?passkey=%26x")
    await browser.submit("/sign-in", login_name=NAME, password=PASSWORD)

    assert browser.at == "/account/passkey"


async def test_what_matters_is_shown_to_whoever_showed_lately_who_they_are(
    people: People, browser: Browser, front: Front
) -> None:
    await people.join()
    await browser.sign_in()
    people.postgres.run("UPDATE auth.session SET authenticated_at = now() - interval '301 s'")
    token = browser.page.forms["/account"]["form_token"]
    fresh = [route for route in front.routes.values() if route.access is Access.FRESH]
    assert len(fresh) > 15
    for route in fresh:
        if route.method == "POST":
            await browser.post(route.path, {"form_token": token})
        else:
            await browser.ask("GET", route.path)
        assert browser.reply.status == 303
        assert (browser.header("location") or "").startswith("/step-up?return_to=%2Faccount"), route.path


async def test_each_fresh_form_has_a_page_to_come_back_to(front: Front) -> None:
    there = {path for method, path in front.routes if method == "GET"}
    fresh = {route.path for route in front.routes.values() if route.access is Access.FRESH and route.method == "POST"}

    assert {path.removesuffix("/options") for path in fresh} <= there


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "\u00ffx", ""])
async def test_an_unknown_method_is_refused_with_those_that_there_are(browser: Browser, method: str) -> None:
    reply = await browser.ask(method, "/sign-in")

    assert (reply.status, browser.header("allow")) == (405, "HEAD, GET, POST")


async def test_what_only_scripts_send_is_not_looked_at(browser: Browser) -> None:
    assert (await browser.ask("GET", "/sign-in/passkey/options")).status == 405
    assert browser.header("allow") == "POST"


@pytest.mark.parametrize(
    "path",
    ["", "//", "/sign-in/", "//sign-in", "/SIGN-IN", "/sign-in;x", "/sign%2din", "/../sign-in", "/account/../sign-in",
     "/.env", "/\u00ff", "/x" * 4_000, "*", "https://accounts.test:8441/sign-in", "/sign-in\r\nx: y"],
)  # fmt: skip
async def test_a_page_has_exactly_one_path(browser: Browser, path: str) -> None:
    assert (await browser.ask("GET", path)).status == 404


MALFORMED = [
    b"login_name=%FF",
    b"login_name=%ED%A0%80",
    b"login_name=\xff",
    b"login_name=\xc3\xbc",
    b"login_name=a%00b",
    b"login_name=a&login_name=b",
    b"password=a&password=a",
    b"&".join(b"a=b" for _ in range(MAX_FIELDS + 1)),
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
async def test_a_malformed_form_is_refused(browser: Browser, body: bytes) -> None:
    token = (await form_of(browser))["form_token"]

    await browser.ask(
        "POST", "/sign-in", b"form_token=" + token.encode() + b"&" + body, {**OWN, "content-type": FORM_TYPE}
    )

    assert browser.reply.status == 422
    assert browser.alert


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary=x", "application/json"])
async def test_a_form_of_another_type_is_refused(browser: Browser, content_type: str) -> None:
    body = urlencode(await form_of(browser)).encode()

    assert (await browser.ask("POST", "/sign-in", body, {**OWN, "content-type": content_type})).status == 422


@pytest.mark.parametrize(
    "query", ["return_to=%FF", "return_to=%00", "return_to=/account&return_to=/account", "a&" * 99]
)
async def test_a_malformed_query_is_refused(browser: Browser, query: str) -> None:
    assert (await browser.ask("GET", f"/sign-in?{query}")).status == 422


@pytest.mark.parametrize(
    "return_to",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/account\r\nSet-Cookie: a=b",
     "/account%0d%0aSet-Cookie:a=b", "/account//evil.example", "/sign-out", "\t/account", "/account/..//evil.example"],
)  # fmt: skip
async def test_a_sign_in_leads_nowhere_else_and_into_no_header(
    people: People, browser: Browser, return_to: str
) -> None:
    await people.join()
    fields = await form_of(browser)

    await browser.post("/sign-in", {**fields, "return_to": return_to})

    assert browser.header("location") == "/account"
    assert not any("\n" in value or "\r" in value for _, value in browser.reply.headers)


async def test_every_cookie_is_this_host_s_alone(people: People, browser: Browser) -> None:
    await people.join()
    given = {}
    await browser.get("/sign-in")
    given.update(browser.given())
    await browser.post("/sign-in", {**SIGN_IN, "form_token": browser.page.forms["/sign-in"]["form_token"]})
    given.update(browser.given())

    assert len(given) >= 4
    for name, text in given.items():
        assert name.startswith("__Host-")
        assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(text.split("; "))
        assert "Domain" not in text


async def test_a_page_that_fails_tells_where_the_operators_look_and_no_more(people: People, browser: Browser) -> None:
    await people.join()
    await browser.sign_in()

    async def fails(_: Visit) -> Answer:
        raise LookupError("a secret")

    browser.front.routes["GET", "/account"] = get("/account", fails)
    await browser.ask("GET", "/account")

    assert browser.reply.status == 500
    assert "secret" not in browser.text
    assert "log" in (browser.alert or "")


async def test_a_page_whose_words_are_away_says_so(browser: Browser) -> None:
    async def away(_: Visit) -> Answer:
        raise UnavailableError("the database is away")

    browser.front.routes["GET", "/sign-in"] = get("/sign-in", away)

    assert (await browser.ask("GET", "/sign-in")).status == 503


async def test_a_page_that_takes_too_long_is_given_up(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TIME_S", 0.01)

    async def waits(_: Visit) -> Answer:
        await asyncio.Event().wait()
        return Page("signed_out.html")

    browser.front.routes["GET", "/sign-in"] = get("/sign-in", waits)

    assert (await browser.ask("GET", "/sign-in")).status == 503


async def test_too_many_attempts_say_when_to_come_back(people: People, browser: Browser) -> None:
    await people.join()
    for _ in range(6):
        await browser.get("/sign-in")
        await browser.submit("/sign-in", login_name=NAME, password="wrong")

    assert browser.reply.status == 429
    assert int(browser.header("retry-after") or "0") >= 1


async def test_nobody_takes_every_turn_of_all_others(people: People, browser: Browser, front: Front) -> None:
    await people.join()
    fields, jar = await form_of(browser), dict(browser.jar)
    headers = {**OWN, "content-type": FORM_TYPE}
    flood = [
        Asked("POST", "/sign-in", "", headers, jar, urlencode({**fields, "login_name": f"n{at}@example.com"}).encode(),
              f"2001:db8::{at:x}")
        for at in range(module.MAX_AT_ONCE * 3)
    ]  # fmt: skip

    replies = asyncio.gather(*(front.reply(each) for each in flood))
    let_in = await Browser(front, address="192.0.2.77").sign_in()

    statuses = [each.status for each in await replies]
    assert statuses.count(429) >= module.MAX_AT_ONCE * 2
    assert let_in == 200
    assert not front._under_way


TEXT = st.text(max_size=40)


async def test_whatever_is_sent_is_answered_and_never_fails(browser: Browser, front: Front) -> None:
    loop = asyncio.get_running_loop()
    paths = st.sampled_from(sorted({path for _, path in front.routes if path != "/sign-in"}))
    asked = st.builds(
        Asked,
        method=st.sampled_from(["GET", "POST", "HEAD", "PUT"]),
        path=paths,
        query=st.dictionaries(st.sampled_from(["code", "return_to", "with", "passkey", "back"]), TEXT).map(
            lambda found: urlencode(found, errors="replace")
        ),
        headers=st.fixed_dictionaries(
            {"sec-fetch-site": st.just("same-origin"), "content-type": st.just(FORM_TYPE), "user-agent": TEXT,
             "accept-language": TEXT}
        ),
        cookies=st.dictionaries(
            st.sampled_from([SESSION, FORM, "__Host-ironflock_sign_in", "__Host-ironflock_notice"]), TEXT
        ),
        body=st.binary(max_size=200),
        address=TEXT,
    )  # fmt: skip

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(asked)
    def answered(each: Asked) -> None:
        reply = asyncio.run_coroutine_threadsafe(front.reply(each), loop).result(20)
        assert reply.status < 500, each

    await asyncio.to_thread(answered)
