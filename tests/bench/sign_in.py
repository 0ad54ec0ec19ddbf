"""Signing in, refreshing, checking an API key: auth's own rooms on the platform's database, one at a time.

One at a time is one core: Argon2id has a thread of its own, and nothing else runs meanwhile. A sign-in is counted
against the comparison with the hash alone, which is nearly all of it; the check of an API key is what it adds to an
empty call.
"""

import asyncio
import base64
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from attrs import frozen

from deploy.local.processes import DATABASE_NAME
from services.auth.assembly import People, people_of
from services.auth.keyring import Keyring
from services.auth.passwords import Passwords
from services.auth.procedures.tickets import TicketProcedures
from services.auth.provider.authorization import Wish
from services.auth.provider.requests import Call
from services.auth.provider.whole import Provider, provider_of
from services.auth.records.sessions import SignedIn, Source
from services.auth.records.tickets import VerifyTicket
from services.auth.signing import Signing
from services.auth.store.clients import client_find
from shared.database import Database, DatabaseSettings, Password
from shared.health import Health
from shared.identities import ServiceIdentity
from shared.secrets import parse_master_keys
from tests.bench.figures import Row, at_least, at_most, percentile, plain_row, ratio_row
from tests.bench.rounds import interleave, pairs
from tests.bench.scale import Scale
from tests.harness.rights import KnownRights
from tests.harness.running import RunningPlatform

NAME: Final = "sign_in"
LOGIN: Final = "svc_auth"
LOGINS: Final = at_least(15.0)
REFRESHES: Final = at_least(120.0)
KEY_CHECK_MS: Final = at_most(1.0)
ORIGIN, AUDIENCE = "https://accounts.bench", "https://api.bench"
NAME_OF_PERSON, PASSWORD = "bench@example.com", "quietly nine lamps hum"
HERE: Final = Source("192.0.2.1", "bench")
VERIFIER: Final = "v" * 43
CHALLENGE: Final = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT: Final = "https://app.bench/callback"
MIDDLE: Final = 0.5


@frozen
class Auth:
    """The rooms that are measured."""

    database: Database
    people: People
    passwords: Passwords
    provider: Provider
    tickets: TicketProcedures
    stored_hash: str
    browser: str
    owner_key: str


def run(scale: Scale, platform: RunningPlatform) -> list[Row]:
    """The rows."""
    with asyncio.Runner() as runner:
        return runner.run(_run(scale, platform))


async def _run(scale: Scale, platform: RunningPlatform) -> list[Row]:
    async with AsyncExitStack() as ending:
        auth = await _auth(platform, ending)
        return await asyncio.to_thread(_rows, scale, auth, asyncio.get_running_loop())


def _rows(scale: Scale, auth: Auth, loop: asyncio.AbstractEventLoop) -> list[Row]:
    def measured(work: Callable[[], Awaitable[object]]) -> list[float]:
        return asyncio.run_coroutine_threadsafe(_seconds(work, scale.seconds), loop).result()

    async def compare() -> bool:
        return await auth.passwords.verify(auth.stored_hash, PASSWORD)

    rates = interleave(
        ["sign-in"],
        scale.rounds,
        lambda _: _rate(measured(lambda: _sign_in(auth))),
        lambda _: _rate(measured(compare)),
    )["sign-in"]
    refresher = _Refresher(auth)
    asyncio.run_coroutine_threadsafe(refresher.refresh(), loop).result()  # the first one signs in before
    refreshes, checks = [], []
    for _ in range(scale.rounds):
        refreshes.append(_rate(measured(refresher.refresh)))
        checks.append(percentile(measured(lambda: _check(auth)), MIDDLE) * 1000)
    return [
        ratio_row(NAME, "sign-in by password, by the hash alone", "/s", pairs(rates, float)),
        plain_row(NAME, "sign-ins by password a second and core", "/s", [ours for ours, _ in rates], LOGINS),
        plain_row(NAME, "refreshes a second and core", "/s", refreshes, REFRESHES),
        plain_row(NAME, "check of an API key over an empty call", "ms", checks, KEY_CHECK_MS),
    ]


async def _seconds(work: Callable[[], Awaitable[object]], for_s: float) -> list[float]:
    """How long each of as many as fit took."""
    taken: list[float] = []
    began = time.perf_counter()
    while (start := time.perf_counter()) < began + for_s:
        await work()
        taken.append(time.perf_counter() - start)
    return taken


def _rate(taken: list[float]) -> float:
    return len(taken) / sum(taken)


async def _sign_in(auth: Auth) -> SignedIn:
    done = await auth.people.sign_in.with_password(NAME_OF_PERSON, PASSWORD, HERE, browser=auth.browser)
    if not isinstance(done, SignedIn):
        raise TypeError("the person of the bench has a second factor")
    return done


async def _check(auth: Auth) -> None:
    found = await auth.tickets.ticket_verify(ServiceIdentity("router", 1), VerifyTicket(auth.owner_key, "192.0.2.1"))
    if found is None:
        raise RuntimeError("the first owner's key does not open")


class _Refresher:
    """A client that refreshes again and again."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._token = ""

    async def refresh(self) -> None:
        fields = {"grant_type": "refresh_token", "refresh_token": self._token or await self._first()}
        self._token = await self._ask(fields)

    async def _first(self) -> str:
        session = (await _sign_in(self._auth)).new.session
        client = await self._auth.database.run(lambda connection: client_find(connection, "bench"))
        if client is None:
            raise RuntimeError("the client of the bench is not registered")
        wish = Wish(client, ["openid", "profile", "all"], REDIRECT, None, None, CHALLENGE, frozenset(), None)
        location = await self._auth.provider.authorizations.answer(wish, session)
        code = location.partition("code=")[2].partition("&")[0]
        exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
        return await self._ask({**exchange, "code_verifier": VERIFIER})

    async def _ask(self, fields: dict[str, str]) -> str:
        asked = {name: (value,) for name, value in {"client_id": "bench", **fields}.items()}
        answer = await self._auth.provider.exchange.token(Call("POST", "/oauth/token", asked, "", HERE))
        return str(answer.content["refresh_token"])


async def _auth(platform: RunningPlatform, ending: AsyncExitStack) -> Auth:
    settings = DatabaseSettings(
        host="localhost",
        port=platform.ports.postgres,
        name=DATABASE_NAME,
        login=LOGIN,
        password=Password(platform.secret(f"database/{LOGIN}")),
        ca=platform.state.ca_certificate,
    )
    database = Database(settings, Health())
    await database.open()
    ending.push_async_callback(database.close)
    masters, persons = (
        parse_master_keys(file.read_text(encoding="utf-8"))
        for file in (platform.state.master_keys, platform.state.person_keys)
    )
    keyring = Keyring(masters, database, persons)
    rights = KnownRights()
    people = people_of(
        database, keyring, rights, origin=ORIGIN, is_sign_up_open=True, now=time.time, chance=lambda: 0.5,  # noqa: TID251
        shut_out=lambda: None,
    )  # fmt: skip
    provider = provider_of(
        database, keyring, people.throttle, rights, issuer=ORIGIN, audience=AUDIENCE, now=time.time,  # noqa: TID251
        chance=lambda: 0.5, clients_ca=None,
    )  # fmt: skip
    passwords = Passwords(workers=1)
    ending.callback(passwords.close)
    ending.callback(people.passwords.close)
    await provider.keys.rotate()
    stored = await passwords.hash(PASSWORD, login_name=NAME_OF_PERSON)
    await _make(database, stored)
    done = await people.sign_in.with_password(NAME_OF_PERSON, PASSWORD, HERE, browser=None)
    if not isinstance(done, SignedIn):
        raise TypeError("the person of the bench has a second factor")
    signing = Signing(database, keyring, time.time)  # noqa: TID251
    tickets = TicketProcedures(database, signing, provider.access_tokens, people.locks, time.time)  # noqa: TID251
    return Auth(database, people, passwords, provider, tickets, stored, done.new.browser, platform.owner_key)


async def _make(database: Database, stored: str) -> None:
    """The person, and the client."""
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO auth.account (login_name, login_canonical, state, verified_at, password_hash)"
            " VALUES (%s, %s, 'active', now(), %s)",
            [NAME_OF_PERSON, NAME_OF_PERSON, stored],
        )
        await connection.execute(
            "INSERT INTO auth.client (client_id, name, name_canonical, is_first_party, redirect_uris,"
            " post_logout_redirect_uris, grant_types, scopes, token_endpoint_auth_method)"
            " VALUES ('bench', 'bench', 'bench', true, %s, '{}', '{authorization_code,refresh_token}',"
            " '{openid,profile,all}', 'none')",
            [[REDIRECT]],
        )
