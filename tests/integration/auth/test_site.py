"""The site over real HTTPS: the headers of every answer, the host, methods, sizes, octets that are no text."""

import asyncio
import http.client
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.auth.pages.answers import Answer, Document, Page, Redirect
from services.auth.pages.cookies import of_notice
from services.auth.pages.front import Front
from services.auth.pages.programs import Endpoint, Programs
from services.auth.pages.rendering import Rendering
from services.auth.pages.routes import Route, get, post
from services.auth.pages.site import SECURITY_HEADERS, Root
from services.auth.pages.visits import Visit
from services.auth.pages.whole import places_of, site_of
from services.auth.provider.requests import Answered, Call
from shared.https import MAX_BODY_OCTETS, listen_https
from shared.service import LOOP
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import listening
from tests.unit.shared.memory_router import new_bus

PARTS = ("exchange", "user_info", "keys", "registry")
HOST = "localhost:8441"
ORIGIN = f"https://{HOST}"


class Handler:
    """No endpoint for programs is asked here."""

    def __getattr__(self, name: str) -> None:  # noqa: D105 - whatever it is called
        return None


async def page(_: Visit) -> Answer:
    return Page("signed_out.html")


async def gone(_: Visit) -> Answer:
    return Redirect("/sign-out", (of_notice("saved"), of_notice("reset")))


async def file(visit: Visit) -> Answer:
    return Document(visit.source.user_agent.encode(), "application/json", "own.json")


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("site"))


@pytest.fixture(name="front", scope="module")
def fixture_front() -> Front:
    return front_with(get("/sign-out", page), get("/go", gone), get("/file", file), post("/sign-in", page))


def front_with(*routes: Route) -> Front:
    """A front whose pages need no database."""
    shown = Rendering(lambda: 0.0, installation=HOST, is_sign_up_open=False, places=places_of(routes))
    return Front(routes, cast("Any", None), cast("Any", None), shown, origin=ORIGIN)


NO_PROVIDERS = cast("Any", SimpleNamespace(providers={}))


class Site:
    """Asks the listener, octet by octet as it is told."""

    def __init__(self, certificates: Certificates, port: int) -> None:
        self._context = ssl.create_default_context(cafile=str(certificates.ca))
        self._port = port

    def ask(
        self, method: str, path: str, headers: Sequence[tuple[str, str | bytes]] = (("host", HOST),), body: bytes = b""
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection("localhost", self._port, timeout=10, context=self._context)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        answer.content = answer.read()  # type: ignore[attr-defined]
        connection.close()
        return answer


@pytest.fixture(name="site", scope="module")
def fixture_site(certificates: Certificates, front: Front) -> Iterator[Site]:
    provider = cast("Any", SimpleNamespace(issuer=ORIGIN, **dict.fromkeys(PARTS, Handler())))
    root = site_of(front, provider, NO_PROVIDERS, asyncio.ensure_future, origin=ORIGIN)
    with listening(certificates, lambda tls: listen_https(tls, 0, "127.0.0.1", root, idle_timeout_s=10)) as port:
        yield Site(certificates, port)


@pytest.mark.parametrize("path", ["/slow", "/oauth/token"])
def test_a_service_that_is_told_to_end_answers_what_it_was_asked(certificates: Certificates, path: str) -> None:
    begun, may_end, ends = threading.Event(), asyncio.Event(), list[str]()

    async def wait() -> None:
        begun.set()
        await may_end.wait()
        ends.append("answered")

    async def slow_page(_: Visit) -> Answer:
        await wait()
        return Page("signed_out.html")

    async def slow_program(_: Call) -> Answered:
        await wait()
        return Answered(200, (), b"")

    async def stop() -> None:
        await bus.stop()
        ends.append("stopped")

    bus = new_bus(certificates.ca)
    programs = Programs({"/oauth/token": Endpoint(("GET",), slow_program)}, bus.task)
    root = Root(front_with(get("/sign-out", page), get("/slow", slow_page)), programs, bus.task, host=HOST)
    with (
        listening(certificates, lambda tls: listen_https(tls, 0, "127.0.0.1", root, idle_timeout_s=10)) as port,
        ThreadPoolExecutor() as threads,
    ):
        answer = threads.submit(Site(certificates, port).ask, "GET", path)
        assert begun.wait(10)
        stopping = asyncio.run_coroutine_threadsafe(stop(), LOOP)
        assert len(bus._tasks) == 1
        LOOP.call_soon_threadsafe(may_end.set)
        stopping.result(10)

        assert answer.result(10).status == 200
    assert ends == ["answered", "stopped"]


def static(front: Front) -> str:
    return next(path for path in front.files if path.endswith("pages.css"))


@pytest.mark.parametrize(
    "path",
    ["/sign-out", "/go", "/file", "/nope", "/static/x", "/static/../x", "/sign-out?x=%FF", "//evil.example", "/%00"],
)
@pytest.mark.parametrize("host", [HOST, "evil.example"])
def test_every_answer_has_the_security_headers(site: Site, path: str, host: str) -> None:
    answer = site.ask("GET", path, [("host", host)])

    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get_all(name.decode()) == [value.decode()], name


def test_nobody_frames_a_page_and_no_page_runs_what_is_not_ours(site: Site) -> None:
    answer = site.ask("GET", "/sign-out")
    policy = dict(part.strip().split(" ", 1) for part in (answer.getheader("content-security-policy") or "").split(";"))

    assert policy["frame-ancestors"] == "'none'"
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert answer.getheader("x-frame-options") == "DENY"
    assert answer.getheader("cache-control") == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("host", "evil.example")],
        [("host", "localhost")],
        [("host", "localhost:1")],
        [("host", "")],
        [("host", f"{HOST}.evil.example")],
        [("host", f"evil@{HOST}")],
        [("host", HOST), ("host", "evil.example")],
        [("host", HOST), ("host", HOST)],
        [("host", "evil.example"), ("x-forwarded-host", HOST)],
        [("host", b"\xff")],
    ],
)
def test_another_host_is_not_answered(site: Site, headers: list[tuple[str, str | bytes]]) -> None:
    for path in ("/sign-out", "/static/x"):
        assert site.ask("GET", path, headers).status in (400, 421)


def test_the_host_is_the_same_in_capitals(site: Site) -> None:
    assert site.ask("GET", "/sign-out", [("host", HOST.upper())]).status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "POST"])
def test_a_method_that_is_not_there_is_refused(site: Site, method: str) -> None:
    answer = site.ask(method, "/sign-out", [("host", HOST), ("content-length", "0")])

    assert (answer.status, answer.getheader("allow")) == (405, "HEAD, GET")
    assert site.ask(method, "/nope", [("host", HOST), ("content-length", "0")]).status == 404


def test_head_is_get_without_a_body(site: Site) -> None:
    shown, looked = site.ask("GET", "/sign-out"), site.ask("HEAD", "/sign-out")

    assert looked.status == 200
    assert looked.getheader("content-length") == shown.getheader("content-length")
    assert looked.content == b""  # type: ignore[attr-defined]


def test_a_file_is_kept_for_ever_under_the_name_of_its_content(site: Site, front: Front) -> None:
    answer = site.ask("GET", static(front))

    assert (answer.status, answer.getheader("content-type")) == (200, "text/css; charset=utf-8")
    assert answer.getheader("cache-control") == "public, max-age=31536000, immutable"
    assert answer.content == front.files[static(front)][1]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path + "x",
        lambda path: path.replace("/static/", "/static/../"),
        lambda path: path + "/",
        lambda path: path.upper(),
    ],
)
def test_another_path_has_no_file(site: Site, front: Front, change: Callable[[str], str]) -> None:
    assert site.ask("GET", change(static(front))).status == 404
    assert site.ask("POST", static(front), [("host", HOST), ("content-length", "0")]).status == 404


def test_each_cookie_has_a_header_of_its_own(site: Site) -> None:
    answer = site.ask("GET", "/go")

    assert (answer.status, answer.getheader("location")) == (303, "/sign-out")
    assert len(answer.headers.get_all("set-cookie") or []) == 2


def test_a_file_to_be_saved_says_so_and_a_program_says_what_it_wants(site: Site) -> None:
    answer = site.ask("GET", "/file", [("host", HOST), ("user-agent", "M\u00fcller\x7f")])

    assert answer.getheader("content-disposition") == 'attachment; filename="own.json"'
    assert answer.content == "M\u00fcller".encode()  # type: ignore[attr-defined]


@pytest.mark.parametrize("length", [MAX_BODY_OCTETS + 1, 10**12])
def test_a_body_that_is_too_large_is_refused_before_it_comes(site: Site, length: int) -> None:
    assert site.ask("POST", "/sign-in", [("host", HOST), ("content-length", str(length))]).status == 413


def test_a_body_of_the_greatest_size_is_looked_at(site: Site) -> None:
    headers = [("host", HOST), ("content-length", str(MAX_BODY_OCTETS))]

    assert site.ask("POST", "/sign-in", headers, b"a" * MAX_BODY_OCTETS).status == 422


@pytest.mark.parametrize(
    "header",
    [("cookie", b"\xff=\xfe"), ("cookie", "__Host-ironflock_form=a; __Host-ironflock_form=b"), ("cookie", ";;;=;"),
     ("cookie", "x" * 8_000), ("accept-language", b"\xff"), ("user-agent", b"\x00\xff"), ("origin", b"\xff"),
     ("sec-fetch-site", b"\xff"), ("content-type", b"\xff")],
)  # fmt: skip
def test_octets_that_are_no_text_are_no_reason_to_fail(site: Site, header: tuple[str, str | bytes]) -> None:
    for method, path in (("GET", "/sign-out"), ("POST", "/sign-in")):
        answer = site.ask(method, path, [("host", HOST), ("content-length", "3"), header], b"a=b")
        assert answer.status < 500
