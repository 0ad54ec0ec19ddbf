"""A browser signs in to a tunnel; the provider is a stand-in, everything else is as it is."""

import json
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from services.tunnels import web_sign_in
from shared.identities import Person
from shared.posting import PostingError, Reply
from tests.harness.waiting import wait_until
from tests.harness.web_device import WebDevice
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.rooms import ANNA, CRANE
from tests.integration.tunnels.web import HOST, Line, key_of, line, offered, visits
from tests.integration.tunnels.web import Reply as Answer
from tests.integration.tunnels.whole import Whole, whole

pytestmark = pytest.mark.real
PAGE = "Accept: text/html"
ELSE = f"{CRANE}-web-80.tunnels.example"
DOMAIN = "tunnels.example"


class Provider:
    """Codes and the tokens that they become."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}
        self.asked: list[dict[str, list[str]]] = []

    async def post(self, url: str, content: bytes, headers: Mapping[str, str], ca: str | None) -> Reply:
        assert url == "https://accounts.example/oauth/token"
        said = parse_qs(content.decode())
        self.asked.append(said)
        if said["code"] == ["away"]:
            raise PostingError("away")
        token = self.tokens.pop(said["code"][0], None)
        return Reply(400, b"{}") if token is None else Reply(200, json.dumps({"access_token": token}).encode())


@pytest.fixture(name="provider")
def fixture_provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    provider = Provider()
    monkeypatch.setattr(web_sign_in, "post", provider.post)
    return provider


@pytest.fixture(name="site")
def fixture_site(postgres: Postgres, certificates: Certificates) -> Iterator[Whole]:
    with whole(postgres, certificates) as made:
        yield made


def cookie_of(answer: Answer, name: str) -> str:
    """As the browser sends it back."""
    [found] = [each for each in answer.values("set-cookie") if each.startswith(f"{name}=") and "Max-Age=0" not in each]
    said, *rules = found.split("; ")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(rules)
    return said


def begun(one: Line, target: str = "/page?a=b") -> tuple[str, str]:
    """The state that the provider is told, and the browser's cookie."""
    answer = one.ask(f"GET {target} HTTP/1.1\n{PAGE}")
    assert answer.status == 303
    asked = parse_qs(urlsplit(answer.values("location")[0]).query)
    assert asked["redirect_uri"] == ["https://tunnels.example:8458/sign-in/done"]
    return asked["state"][0], cookie_of(answer, "__Host-ironflock-state")


def back(site: Whole, code: str, state: str) -> Answer:
    with line(site, DOMAIN) as domain:
        return domain.ask(f"GET /sign-in/done?code={code}&state={state} HTTP/1.1\n{PAGE}", host=DOMAIN)


def handed(site: Whole, provider: Provider, state: str, person: Person = ANNA) -> str:
    """Where the browser is sent back to."""
    provider.tokens["c"] = key_of(site, person)
    answer = back(site, "c", state)
    assert answer.status == 303, answer.body
    parts = urlsplit(answer.values("location")[0])
    assert parts.netloc == f"{HOST}:8458"
    return f"{parts.path}?{parts.query}"


def signed_in(site: Whole, provider: Provider, one: Line, person: Person = ANNA) -> str:
    """The cookie of a browser that is."""
    state, cookie = begun(one)
    answer = one.ask(f"GET {handed(site, provider, state, person)} HTTP/1.1\n{PAGE}\nCookie: {cookie}")
    assert (answer.status, answer.values("location")) == (303, [f"https://{HOST}:8458/page?a=b"])
    return cookie_of(answer, "__Host-ironflock-visit")


def test_a_browser_signs_in_and_its_requests_are_one_visit(site: Whole, provider: Provider) -> None:
    device = WebDevice()
    offered(site, device)
    with line(site) as one, line(site) as two:
        cookie = signed_in(site, provider, one)
        assert device.heads == []
        for each in (one, two, one):
            assert each.ask(f"GET /page HTTP/1.1\n{PAGE}\nCookie: theirs=1; {cookie}").status == 200
        same = "Sec-Fetch-Site: same-origin\nSec-Fetch-Mode: cors"
        assert two.ask(f"POST /api HTTP/1.1\n{same}\nOrigin: https://{HOST}\nCookie: {cookie}").status == 200

    assert (device.header("x-ironflock-user"), device.header("cookie")) == (["5"], [])
    assert len(visits(site)) == 1
    [stored] = site.rooms.postgres.rows("SELECT digest, label FROM tunnels.browser")
    assert cookie.partition("=")[2].encode() not in bytes(stored[0])


def test_what_ends_it_is_told_to_the_next_request(site: Whole, provider: Provider) -> None:
    device = WebDevice()
    offered(site, device)
    person = site.rooms.member("READ", "REMOTE_ACCESS")
    with line(site) as one:
        theirs, mine = signed_in(site, provider, one, person), signed_in(site, provider, one)
        for cookie in (theirs, mine):
            assert one.ask(f"GET / HTTP/1.1\n{PAGE}\nCookie: {cookie}").status == 200
        site.do(lost(site))
        wait_until(lambda: "right_ended" in {each[1] for each in visits(site)}, 5, "the flag's visit is over")
        assert one.ask(f"GET / HTTP/1.1\n{PAGE}\nCookie: {theirs}").status in (403, 404)
        site.rooms.others.over.add("key-1")
        wait_until(lambda: "credential_ended" in {each[1] for each in visits(site)}, 5, "the session's visit is over")
        answer = one.ask(f"GET / HTTP/1.1\n{PAGE}\nCookie: {mine}")

    assert answer.status == 401
    assert b"sign in again" in answer.body
    assert any("Max-Age=0" in each for each in answer.values("set-cookie"))


async def lost(site: Whole) -> None:
    site.rooms.rights.lose(7, next(iter(site.rooms.rights.known(7))))


def test_a_hand_over_is_one_browser_s_once_and_soon(site: Whole, provider: Provider) -> None:
    offered(site, WebDevice())
    offered(site, WebDevice(), key=CRANE)
    with line(site) as one, line(site, ELSE) as other:
        for stolen in ("", "Cookie: __Host-ironflock-state=" + "x" * 43):
            state, cookie = begun(one)
            enter = handed(site, provider, state)
            assert one.ask(f"GET {enter} HTTP/1.1\n{PAGE}\n{stolen or 'X-A: b'}").status == 400
            assert one.ask(f"GET {enter} HTTP/1.1\n{PAGE}\nCookie: {cookie}").status == 400
        state, cookie = begun(one)
        enter = handed(site, provider, state)
        assert other.ask(f"GET {enter} HTTP/1.1\n{PAGE}\nCookie: {cookie}", host=ELSE).status == 400
        state, cookie = begun(one)
        enter = handed(site, provider, state)
        site.rooms.later_s += 61
        assert one.ask(f"GET {enter} HTTP/1.1\n{PAGE}\nCookie: {cookie}").status == 400
        assert back(site, "c", state).status == 400
    assert site.rooms.postgres.rows("SELECT 1 FROM tunnels.browser") == []


def test_nobody_is_sent_to_another_host_afterwards(site: Whole, provider: Provider) -> None:
    offered(site, WebDevice())
    with line(site) as one:
        state, cookie = begun(one, "//evil.example/x")
        answer = one.ask(f"GET {handed(site, provider, state)} HTTP/1.1\n{PAGE}\nCookie: {cookie}")

    assert answer.values("location") == [f"https://{HOST}:8458//evil.example/x"]


def test_an_address_begins_so_many_sign_ins_a_minute(site: Whole) -> None:
    offered(site, WebDevice())
    with line(site) as one:
        found = [one.ask(f"GET / HTTP/1.1\n{PAGE}").status for _ in range(web_sign_in.BEGINNINGS + 1)]
        assert (set(found[:-1]), found[-1]) == ({303}, 429)
        site.rooms.later_s += web_sign_in.BEGINNINGS_S
        assert one.ask(f"GET / HTTP/1.1\n{PAGE}").status == 303


def test_an_answer_of_the_provider_that_is_none_is_answered(site: Whole) -> None:
    with line(site, DOMAIN) as domain:
        assert domain.ask(f"GET /sign-in/done?{'&' * 30} HTTP/1.1\n{PAGE}", host=DOMAIN).status == 400


def test_who_may_not_come_gets_no_cookie(site: Whole, provider: Provider) -> None:
    offered(site, WebDevice())
    outsider = site.rooms.member("READ", account=8)
    with line(site) as one:
        provider.tokens["c"] = key_of(site, outsider)
        assert back(site, "c", begun(one)[0]).status == 403
        assert back(site, "unknown", begun(one)[0]).status == 401
        assert back(site, "away", begun(one)[0]).status == 503
        with line(site, DOMAIN) as domain:
            denied = f"GET /sign-in/done?error=access_denied&state={begun(one)[0]} HTTP/1.1\n{PAGE}"
            assert domain.ask(denied, host=DOMAIN).status == 403


def test_pages_of_other_tunnels_cannot_use_the_cookie(site: Whole, provider: Provider) -> None:
    device = WebDevice()
    offered(site, device)
    offered(site, WebDevice(), key=CRANE)
    with line(site) as one, line(site, ELSE) as other:
        cookie = signed_in(site, provider, one)
        for said in (
            f"Origin: https://{ELSE}",
            "Origin: null",
            "Sec-Fetch-Site: same-site\nSec-Fetch-Mode: no-cors",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe",
            f"Connection: Upgrade\nUpgrade: websocket\nOrigin: https://{ELSE}",
        ):
            assert one.ask(f"GET / HTTP/1.1\n{PAGE}\nCookie: {cookie}\n{said}").status == 403, said
        link = "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document"
        assert one.ask(f"GET / HTTP/1.1\n{PAGE}\nCookie: {cookie}\n{link}").status == 200
        assert other.ask(f"GET / HTTP/1.1\nCookie: {cookie}", host=ELSE).status == 401
    assert len(device.heads) == 1
