"""A browser signs in to a tunnel: by our provider at the domain of tunnels, then handed over to the tunnel's own host.

The tunnel's host gives the browser a cookie and sends it to the provider; the provider's code comes to the domain
itself, where it becomes a token that stays here; and a hand-over of one minute, usable once and with that cookie alone,
brings the browser back. What is on its way lies in memory: after a restart the browser begins anew.
"""

import base64
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Generic, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import structlog
from attrs import frozen

from services.tunnels.admitting import Admissions, Wanted
from services.tunnels.browsers import Browsers
from services.tunnels.records.times import Times
from services.tunnels.records.visits import Admitted
from services.tunnels.rules.callers import STATE_COOKIE, VISIT_COOKIE, is_page, name_of_label, shown_by
from services.tunnels.rules.headers import our_cookie
from services.tunnels.rules.pages import Answer, redirect, refusal
from services.tunnels.rules.tunnels import Places
from services.tunnels.web_front import Asked
from shared.allowance import Allowance
from shared.errors import (
    ExpiredError,
    NotFoundError,
    OverLimitError,
    PublicError,
    SignInRefusedError,
    UnavailableError,
)
from shared.posting import PostingError, post
from shared.subscribers import subscriber

CLIENT: Final = "tunnels"
SCOPE: Final = "openid all"
DONE_PATH: Final = "/sign-in/done"
ENTER_PATH: Final = b"/~!ironflock/enter"
BEGUN_S: Final = 600.0
HANDED_S: Final = 60.0
MOST: Final = 4_096
BEGINNINGS: Final = 60
BEGINNINGS_S: Final = 60.0
"""An address may begin so many sign-ins in that time: nobody alone turns out those that others have begun."""
MAX_TARGET: Final = 2_048
TOKEN_LENGTH: Final = 43
COOKIE_RULES: Final = "; Path=/; Secure; HttpOnly; SameSite=Lax"
TOO_MANY: Final = "too many sign-ins were begun from your address; wait a minute"
OVER: Final = "this sign-in is over; open the tunnel's page again"
NO_PAGE: Final = "there is nothing here"
NOT_ASKED: Final = "the sign-in does not answer now; try again"
REFUSED: Final = "the sign-in was not completed; open the tunnel's page again"
OK: Final = 200
Kept = TypeVar("Kept")

log = structlog.get_logger()


@frozen
class Provider:
    """Where people sign in; `ca` vouches for it, the system's own authorities where it is None."""

    issuer: str
    ca: str | None


@frozen
class Domain:
    """Where tunnels are, the time there, and for how long a browser is signed in at the most."""

    places: Places
    times: Times
    life_s: float


@frozen
class Begun:
    """A browser that was sent to sign in; `browser` is the SHA-256 of its cookie."""

    label: str
    browser: bytes
    verifier: str
    target: str


@frozen
class Handed:
    """One that comes back."""

    begun: Begun
    admitted: Admitted


class Memory(Generic[Kept]):
    """What may be taken once and soon, under the SHA-256 of a secret; the oldest makes room."""

    def __init__(self, clock: Callable[[], float], life_s: float) -> None:
        """Each is there for `life_s`."""
        self._clock = clock
        self._life_s = life_s
        self._kept: OrderedDict[bytes, tuple[float, Kept]] = OrderedDict()

    def put(self, what: Kept) -> str:
        """The secret for it."""
        secret = secrets.token_urlsafe(32)
        while len(self._kept) >= MOST:
            self._kept.popitem(last=False)
        self._kept[_digest(secret)] = self._clock(), what
        return secret

    def take(self, secret: str) -> Kept | None:
        """It, once."""
        at, what = self._kept.pop(_digest(secret), (0.0, None))
        return what if what is not None and self._clock() - at < self._life_s else None


class SignIn:
    """Signs browsers in."""

    def __init__(self, provider: Provider, domain: Domain, admissions: Admissions, browsers: Browsers) -> None:
        """Let in as `admissions` do, and keep it in `browsers`."""
        self._provider = provider
        self._places = domain.places
        self._times = times = domain.times
        self._life_s = domain.life_s
        self._admissions = admissions
        self._browsers = browsers
        self._beginnings = Allowance(BEGINNINGS, BEGINNINGS_S)
        self._begun: Memory[Begun] = Memory(times.clock, BEGUN_S)
        self._handed: Memory[Handed] = Memory(times.clock, HANDED_S)

    def begin(self, asked: Asked, refused: SignInRefusedError) -> Answer:
        """What is answered to who shows nothing that opens: a browser without our cookie is sent to sign in."""
        incoming = asked.incoming
        if not is_page(incoming):
            return refusal(refused, is_page=False)
        cookies = incoming.values(b"cookie")
        if our_cookie(cookies, VISIT_COOKIE) is not None or _shows_more(asked):
            return refusal(refused, is_page=True, more=[_forgotten(VISIT_COOKIE)])
        if not self._beginnings.take(subscriber(asked.address), self._times.clock()):
            return refusal(OverLimitError(TOO_MANY), is_page=True)
        known = our_cookie(cookies, STATE_COOKIE) or ""
        browser = known if len(known) == TOKEN_LENGTH else secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(48)
        target = incoming.target.decode()
        begun = Begun(asked.label, _digest(browser), verifier, target if len(target) <= MAX_TARGET else "/")
        challenge = base64.urlsafe_b64encode(_digest(verifier)).rstrip(b"=").decode()
        query = urlencode({
            "response_type": "code", "client_id": CLIENT, "redirect_uri": self.redirect_uri, "scope": SCOPE,
            "state": self._begun.put(begun), "code_challenge": challenge, "code_challenge_method": "S256",
        })  # fmt: skip
        cookie = f"{STATE_COOKIE}={browser}{COOKIE_RULES}; Max-Age={int(BEGUN_S)}"
        return redirect(f"{self._provider.issuer}/oauth/authorize?{query}", [(b"set-cookie", cookie.encode())])

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends browsers back to."""
        return f"{self._places.origin}{DONE_PATH}"

    async def come_back(self, query: str, address: str) -> Answer:
        """The provider's answer, at the domain of tunnels itself."""
        try:
            said = parse_qs(query, max_num_fields=20)
        except ValueError:
            return refusal(ExpiredError(OVER), is_page=True, status=400)
        begun = self._begun.take(said.get("state", [""])[0])
        if begun is None:
            return refusal(ExpiredError(OVER), is_page=True, status=400)
        if "code" not in said:
            return refusal(SignInRefusedError(REFUSED), is_page=True, status=403)
        try:
            name = name_of_label(begun.label)
            if name is None:
                raise NotFoundError(NO_PAGE)
            token = await self._token(said["code"][0], begun.verifier)
            wanted = Wanted(name.device_key, name.app, name.port, name.protocol)
            admitted = await self._admissions.admit(token, address, wanted)
        except PublicError as error:
            return refusal(error, is_page=True)
        code = self._handed.put(Handed(begun, admitted))
        return redirect(f"{self._places.origin_of(begun.label)}{ENTER_PATH.decode()}?code={code}", [])

    async def hand_over(self, asked: Asked) -> Answer:
        """The browser is back at the tunnel's host: it gets its cookie, and goes to where it wanted to."""
        parts = urlsplit(asked.incoming.target.decode())
        if parts.path.encode() != ENTER_PATH or asked.incoming.method != b"GET":
            return refusal(NotFoundError(NO_PAGE), is_page=True)
        handed = self._handed.take(parse_qs(parts.query).get("code", [""])[0])
        browser = our_cookie(asked.incoming.values(b"cookie"), STATE_COOKIE) or ""
        if handed is None or handed.begun.label != asked.label:
            return refusal(ExpiredError(OVER), is_page=True, status=400)
        if not compare_digest(_digest(browser), handed.begun.browser):
            return refusal(ExpiredError(OVER), is_page=True, status=400)
        cookie, now = secrets.token_urlsafe(32), self._times.now().timestamp()
        try:
            ends_at = await self._browsers.remember(_digest(cookie), asked.label, handed.admitted, self._life_s, now)
        except PublicError as error:
            return refusal(error, is_page=True)
        if ends_at is None:
            return refusal(ExpiredError(OVER), is_page=True, status=400)
        said = f"{VISIT_COOKIE}={cookie}{COOKIE_RULES}; Max-Age={max(1, int(ends_at - now))}"
        # With its origin: a target that begins with two slashes would name another host.
        target = f"{self._places.origin_of(asked.label)}{handed.begun.target}"
        return redirect(target, [(b"set-cookie", said.encode()), _forgotten(STATE_COOKIE)])

    async def _token(self, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri, "client_id": CLIENT,
            "code_verifier": verifier,
        }  # fmt: skip
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        url = f"{self._provider.issuer}/oauth/token"
        try:
            reply = await post(url, urlencode(form).encode(), headers, self._provider.ca)
        except PostingError as error:
            log.warning("tunnel_sign_in_not_asked", reason=str(error))
            raise UnavailableError(NOT_ASKED) from error
        if reply.status != OK:
            raise SignInRefusedError(REFUSED)
        try:
            return str(json.loads(reply.content)["access_token"])
        except (ValueError, KeyError, TypeError) as error:
            raise UnavailableError(NOT_ASKED) from error


def _shows_more(asked: Asked) -> bool:
    """Whether they show something else than a cookie, which does not open."""
    try:
        return shown_by(asked.incoming).text is not None
    except SignInRefusedError:
        return True


def _forgotten(name: str) -> tuple[bytes, bytes]:
    return b"set-cookie", f"{name}=gone{COOKIE_RULES}; Max-Age=0".encode()


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
