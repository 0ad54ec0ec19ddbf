"""A client of the OpenID provider in these tests: asks the endpoints for programs, and keeps what it was given."""

import asyncio
import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from attrs import evolve

from services.auth.erasure import Erasure
from services.auth.pages.programs import Programs, endpoints_of
from services.auth.pages.visits import FORM_TYPE, Asked
from services.auth.pages.whole import front_of
from services.auth.procedures.tickets import TicketProcedures
from services.auth.provider.clients import known
from services.auth.provider.requests import Answered
from services.auth.provider.whole import Provider
from services.auth.records.provider import Client, RegisterClient
from services.auth.rules.openid import checked
from services.auth.signing import Signing
from services.auth.store.clients import client_insert
from shared.database import Database
from tests.integration.auth.browsers import Browser, desk_on
from tests.integration.auth.people import ORIGIN, People

REDIRECT = "https://app.example/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ALL_SCOPES = ["openid", "profile", "email", "offline_access", "all", "read"]
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class RelyingParty:
    """One client."""

    def __init__(self, provider: Provider, client_id: str, secret: str | None) -> None:
        self.programs = Programs(endpoints_of(provider), asyncio.ensure_future)
        self.client_id = client_id
        self.secret = secret
        self.address = "192.0.2.44"
        self.answer = Answered(0, (), b"")

    @property
    def content(self) -> dict[str, Any]:
        """What was answered last."""
        return self.answer.content

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.answer.headers if each.lower() == name), None)

    async def post(self, path: str, fields: Any, *, authorization: str | None = None) -> dict[str, Any]:
        """The JSON of an endpoint, asked with the client's credentials."""
        headers = {"content-type": FORM_TYPE, "user-agent": "tests/1"}
        pairs = list(fields.items()) if isinstance(fields, dict) else list(fields)
        if authorization is not None:
            headers["authorization"] = authorization
        elif self.secret is not None:
            headers["authorization"] = basic(self.client_id, self.secret)
        else:
            pairs.append(("client_id", self.client_id))
        asked = Asked("POST", path, "", headers, {}, urlencode(pairs).encode(), self.address)
        self.answer = await self.programs.reply(asked)
        return self.content

    async def get(self, path: str, authorization: str = "") -> dict[str, Any]:
        headers = {"authorization": authorization} if authorization else {}
        self.answer = await self.programs.reply(Asked("GET", path, "", headers, {}, b"", "192.0.2.44"))
        return self.content

    async def token(self, **fields: str) -> dict[str, Any]:
        """The token endpoint."""
        return await self.post("/oauth/token", fields)

    async def exchange(self, given: str, /, **changes: str) -> dict[str, Any]:
        """Tokens for a code."""
        fields = {
            "grant_type": "authorization_code", "code": given, "redirect_uri": REDIRECT, "code_verifier": VERIFIER,
        }  # fmt: skip
        return await self.token(**{**fields, **changes})

    async def refresh(self, refresh_token: str, **fields: str) -> dict[str, Any]:
        """The next tokens."""
        return await self.token(grant_type="refresh_token", refresh_token=refresh_token, **fields)

    def link(self, **changes: str | None) -> str:
        """Where it sends people."""
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": REDIRECT, "scope": "openid",
            "state": "s", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
        }  # fmt: skip
        return f"/oauth/authorize?{urlencode({name: value for name, value in asked.items() if value is not None})}"

    async def authorized(self, browser: Browser, **changes: str | None) -> dict[str, str]:
        """What the browser brings back to the client; it must be signed in."""
        await browser.ask("GET", self.link(**changes))
        return returned(browser)

    async def signed_in(self, browser: Browser, **changes: str | None) -> dict[str, Any]:
        """The tokens of who is signed in in the browser."""
        back = await self.authorized(browser, **changes)
        return await self.exchange(back["code"])


def returned(browser: Browser) -> dict[str, str]:
    """The parameters with which the browser comes back to the client."""
    location = browser.header("location") or ""
    assert location.startswith(REDIRECT), (browser.reply.status, location, browser.text)
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def onward(browser: Browser) -> str:
    """Where a page of ours sends the browser on to."""
    return browser.text.split("url=")[1].split('"')[0].replace("&amp;", "&")


def basic(client_id: str, secret: str) -> str:
    """HTTP Basic."""
    return f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"


def claims(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    text = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


async def relying_party(provider: Provider, database: Database, client_id: str = "app", **changes: Any) -> RelyingParty:
    """A new client, confidential and of the installation itself unless said otherwise."""
    secret = None if changes.get("token_endpoint_auth_method") == "none" else f"secret-of-{client_id}"
    known_defaults: dict[str, Any] = {
        "redirect_uris": [REDIRECT], "scopes": ALL_SCOPES, "is_first_party": True,
        "grant_types": ["authorization_code", "refresh_token", DEVICE],
        "post_logout_redirect_uris": ["https://app.example/bye"],
    }  # fmt: skip
    client = _client(client_id, checked(RegisterClient(name=client_id, **{**known_defaults, **changes})), secret)
    await database.run(lambda connection: client_insert(connection, client, client_id))
    assert known(client).check_client_secret(secret or "") == (secret is not None)
    return RelyingParty(provider, client_id, secret)


def _client(client_id: str, request: RegisterClient, secret: str | None) -> Client:
    from services.auth.provider.clients import _client as client_of  # noqa: PLC0415

    return client_of(client_id, request, secret)


class World:
    """The provider, its site, a client and a browser."""

    def __init__(self, people: People, erasure: Erasure) -> None:
        desk = desk_on(people, erasure)
        people.now = people.database_now()
        self.people = people
        self.provider: Provider = desk.provider
        self.front = front_of(evolve(desk, now=people.database_now), origin=ORIGIN, is_sign_up_open=True)
        self.browser = Browser(self.front)

    @property
    def database(self) -> Database:
        return self.people.database

    async def come(self) -> Browser:
        """Anna signs up, and in."""
        new = await self.people.join()
        assert await self.browser.sign_in() == 200
        await self.people.sessions.end(self.people.person(new), new.session.session_id)
        return self.browser

    def tickets(self, signing: Signing) -> TicketProcedures:
        """What opens the bus."""
        tokens, people = self.provider.access_tokens, self.people
        return TicketProcedures(self.database, signing, tokens, people.locks, lambda: people.now)

    async def client(self, client_id: str = "app", **changes: Any) -> RelyingParty:
        return await relying_party(self.provider, self.database, client_id, **changes)

    def families(self) -> list[tuple[Any, ...]]:
        return self.people.postgres.rows(
            "SELECT ended_because, session_id FROM auth.token_family ORDER BY created_at, family_id"
        )
