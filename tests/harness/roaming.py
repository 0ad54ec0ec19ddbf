"""A browser without scripts that goes wherever it is sent: from a client to the platform's pages, and back."""

import asyncio
import re
from collections.abc import Mapping
from copy import copy
from html import unescape
from http.cookiejar import CookieJar
from typing import Any, Final, cast
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from typing_extensions import override

from services.auth.pages.front import Front, Reply
from tests.harness.running import RunningPlatform
from tests.harness.site import HttpsFront
from tests.integration.auth.browsers import Browser
from tests.integration.auth.people import PASSWORD

MOVED: Final = frozenset({301, 302, 303, 307, 308})
MOST_MOVES: Final = 20
TIMEOUT_S: Final = 30.0
_ONWARD: Final = re.compile(r'http-equiv="refresh" content="0; url=([^"]+)"')


class _Stays(HTTPRedirectHandler):
    """Redirects are followed by the browser itself."""

    @override
    def redirect_request(self, *_: Any) -> None:
        return None


class RoamingBrowser(Browser):
    """A browser; `url` is where it is. Cookies go to the hosts that have set them, on any port, as browsers have it."""

    def __init__(self, platform: RunningPlatform) -> None:
        """One that nobody has used; it trusts the platform's CA."""
        front = HttpsFront(platform)
        super().__init__(cast("Front", front))
        self._platform = platform
        self.provider = front.origin
        self.url = f"{front.origin}/"
        self.passed: list[str] = []
        self.cookies = CookieJar()
        self._opener = build_opener(
            ProxyHandler({}), HTTPSHandler(context=platform.tls), HTTPCookieProcessor(self.cookies), _Stays()
        )

    @property
    def is_at_provider(self) -> bool:
        """Whether it shows a page of the platform's."""
        return self.url.startswith(f"{self.provider}/")

    def copied(self) -> "RoamingBrowser":
        """Another browser, with a copy of every cookie that this one has now."""
        other = RoamingBrowser(self._platform)
        for cookie in self.cookies:
            other.cookies.set_cookie(copy(cookie))
        return other

    @override
    async def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """One request, to a whole URL or one that is relative to where the browser is; and no redirect after it."""
        self.url = urljoin(self.url, path)
        parts = urlsplit(self.url)
        said = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "accept": "text/html,*/*;q=0.5"}
        own = {name: value for name, value in (headers or {}).items() if name != "origin"}
        if "origin" in (headers or {}):
            own["origin"] = f"{parts.scheme}://{parts.netloc}"
        request = Request(self.url, data=body or None, headers={**said, **own}, method=method)  # noqa: S310 - https
        self.reply, self.at = await asyncio.to_thread(self._reply, request), parts.path
        self.passed.append(self.url)
        return self.reply

    async def sign_in_as(self, address: str, code: str | None = None) -> int:
        """Fill in the sign-in that the browser was sent to, and let the client in where that is asked."""
        assert self.is_at_provider, self.url
        assert self.at == "/sign-in", self.text
        await self.submit("/sign-in", login_name=address, password=PASSWORD)
        if code is not None:
            assert self.at == "/sign-in/second-factor", self.text
            await self.submit("/sign-in/second-factor", code=code)
        if self.at == "/consent":
            await self.submit("/consent", decision="allow")
        return self.reply.status

    @override
    async def _follow(self) -> int:
        for _ in range(MOST_MOVES):
            to = self._onward()
            if to is None:
                return self.reply.status
            await self.ask("GET", to)
        raise AssertionError(f"sent on and on: {self.passed[-MOST_MOVES:]}")

    def _onward(self) -> str | None:
        if self.reply.status in MOVED:
            return self.header("location")
        onward = _ONWARD.search(self.text) if self.is_at_provider else None
        return unescape(onward[1]) if onward else None

    def _reply(self, request: Request) -> Reply:
        try:
            answer = self._opener.open(request, timeout=TIMEOUT_S)
        except HTTPError as error:
            answer = error
        with answer:
            found = tuple((name.lower(), value) for name, value in answer.headers.items())
            return Reply(answer.status, found, answer.read())
