"""Browsers on the running platform's pages: those of `tests.integration.auth.browsers`, over real HTTPS."""

import asyncio
import email
import http.client
import re
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast
from urllib.parse import urlsplit

from services.auth.pages.front import Front, Reply
from services.auth.pages.visits import Asked
from tests.harness.clients import Account, new_name
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.auth.browsers import Browser
from tests.integration.auth.people import PASSWORD

_LINK = re.compile(r"https://[^\s/]+/([a-z-]+\?code=[\w-]+)")


class HttpsFront:
    """The front of the pages, behind the platform's listener."""

    def __init__(self, platform: RunningPlatform) -> None:
        """Ask `platform`."""
        self.port = platform.ports.accounts
        self.origin = f"https://localhost:{self.port}"
        self._tls = platform.tls

    async def reply(self, asked: Asked) -> Reply:
        """The answer over HTTPS."""
        return await asyncio.to_thread(self._reply, asked)

    def _reply(self, asked: Asked) -> Reply:
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=30, context=self._tls)
        target = f"{asked.path}?{asked.query}" if asked.query else asked.path
        headers = dict(asked.headers)
        if asked.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in asked.cookies.items())
        if "origin" in headers:
            headers["origin"] = self.origin
        connection.request(asked.method, target, asked.body or None, headers)
        answer = connection.getresponse()
        found = tuple((name.lower(), value) for name, value in answer.getheaders())
        reply = Reply(answer.status, found, answer.read())
        connection.close()
        return reply


def browser_on(platform: RunningPlatform) -> Browser:
    """A browser that nobody has used."""
    return Browser(cast("Front", HttpsFront(platform)))


def letters_to(platform: RunningPlatform, address: str) -> list[EmailMessage]:
    """The messages that lie in the platform's folder for `address`, the oldest first."""
    found = []
    for file in sorted(platform.state.mail.glob("*.eml")):
        message = email.message_from_bytes(file.read_bytes(), policy=default)
        if address in str(message["to"]):
            found.append(message)
    return found


async def new_person(platform: RunningPlatform, owner: Account) -> tuple[str, Browser]:
    """Somebody whom the first owner invites and who comes: their address, and their browser, signed in."""
    address = f"{new_name('person')}@example.com"
    owner.call("ironflock.auth.account.invite", address=address)
    await asyncio.to_thread(wait_until, lambda: letters_to(platform, address), 15.0, "the invitation is written")
    link = _LINK.search(letters_to(platform, address)[-1].get_content())
    assert link is not None
    browser = browser_on(platform)
    await browser.get(f"/{link[1]}")
    action = next(iter(each for each in browser.page.forms if each.startswith("/invitation")))
    fields: dict[str, Any] = {"display_name": "Berta", "password": PASSWORD, "locale": "en"}
    assert await browser.submit(action, **fields) == 200, browser.text
    return address, browser


def path_of(url: str) -> str:
    """The path of a URL, with its query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
