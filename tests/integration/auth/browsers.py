"""A browser without scripts, put before the front of the site: keeps cookies, sends forms as a page has them."""

from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from urllib.parse import urlencode

from typing_extensions import override

from services.auth.api_keys import ApiKeys
from services.auth.assembly import People as Parts
from services.auth.erasure import Erasure
from services.auth.pages.desk import Desk
from services.auth.pages.front import Front, Reply
from services.auth.pages.visits import FORM_TYPE, Asked
from services.auth.pages.whole import front_of
from services.auth.procedures.accounts import AccountProcedures
from services.auth.procedures.people import PeopleProcedures
from services.auth.provider.whole import Provider, provider_of
from services.auth.records.upstream import UpstreamProvider
from services.auth.service_accounts import ServiceAccounts
from services.auth.upstream.whole import upstream_of
from tests.integration.auth.people import NAME, ORIGIN, PASSWORD, People

AUDIENCE = "https://api.test:8442"
SESSION, FORM = "__Host-ironflock_session", "__Host-ironflock_form"


def desk_on(people: People, erasure: Erasure, providers: Iterable[UpstreamProvider] = ()) -> Desk:
    """What lies on the desk of the pages, made of the world's own parts."""
    administration = people.administration()
    api_keys = ApiKeys(people.database, people.mailing, lambda: people.now)
    service_accounts = ServiceAccounts(people.database)
    parts = Parts(
        sessions=people.sessions,
        passwords=people.passwords,
        throttle=people.throttle,
        mailing=people.mailing,
        factors=people.factors,
        passkeys=people.passkeys,
        step_up=people.step_up,
        sign_in=people.sign_in,
        reauthentication=people.again,
        links=people.links,
        registration=people.registration,
        changes=people.changes,
        administration=administration,
        api_keys=api_keys,
        service_accounts=service_accounts,
        locks=people.locks,
    )
    own = PeopleProcedures(people.database, people.sessions, people.registration, administration, people.step_up)
    accounts = AccountProcedures(people.database, people.parts.keyring, erasure, people.step_up)
    upstream = upstream_of(
        people.database,
        people.parts.keyring,
        parts,
        providers,
        origin=ORIGIN,
        now=lambda: people.now,
        chance=lambda: 0.5,
    )
    return Desk(people.database, parts, own, accounts, provider_on(people), upstream, lambda: people.now)


def provider_on(people: People) -> Provider:
    """The OpenID provider, made of the world's own parts."""
    return provider_of(
        people.database,
        people.parts.keyring,
        people.throttle,
        people.rights,
        issuer=ORIGIN,
        audience=AUDIENCE,
        now=lambda: people.now,
        chance=lambda: 0.5,
        clients_ca=None,
    )


def front_on(people: People, erasure: Erasure) -> Front:
    """The site's front."""
    return front_of(desk_on(people, erasure), origin=ORIGIN, is_sign_up_open=True)


class Page(HTMLParser):
    """What a page has: its forms with the fields that are filled in, its title, what it says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.ids: dict[str, str] = {}
        self.roles: dict[str, str] = {}
        self._form: dict[str, str] = {}
        self._into: tuple[dict[str, str], str] | None = None
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = self.forms.setdefault(found["action"].partition("?")[0], {})
        elif tag == "input" and "name" in found and found.get("type") not in ("radio", "checkbox"):
            self._form[found["name"]] = found.get("value", "")
        if tag == "h1":
            self._into = (self.ids, "h1")
        elif "role" in found and "hidden" not in found:
            self._into = (self.roles, found["role"])
        elif "id" in found:
            self._into = (self.ids, found["id"])

    @override
    def handle_data(self, data: str) -> None:
        if self._into is not None and data.strip():
            place, name = self._into
            place[name], self._into = data.strip(), None


class Browser:
    """One browser. What it was answered last is in `reply`, `page` and `text`; `at` is where it is."""

    def __init__(self, front: Front, *, address: str = "192.0.2.1") -> None:
        self.front = front
        self.address = address
        self.jar: dict[str, str] = {}
        self.reply = Reply(0, (), b"")
        self.at = ""

    @property
    def text(self) -> str:
        return self.reply.body.decode()

    @property
    def page(self) -> Page:
        return Page(self.text)

    @property
    def alert(self) -> str | None:
        """What the page says that went wrong."""
        return self.page.roles.get("alert")

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.reply.headers if each == name), None)

    def given(self) -> dict[str, str]:
        """The cookies of the last answer, with all that it says of them."""
        return {value.partition("=")[0]: value for name, value in self.reply.headers if name == "set-cookie"}

    async def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """One request, and no redirect after it."""
        path, _, query = path.partition("?")
        said = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "accept-language": "en"}
        asked = Asked(method, path, query, {**said, **(headers or {})}, dict(self.jar), body, self.address)
        self.reply, self.at = await self.front.reply(asked), path
        for name, text in self.given().items():
            value = text.split("=", 1)[1].split(";")[0]
            if "Max-Age=0" in text:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        return self.reply

    async def get(self, path: str) -> int:
        """Look at a page; go where it sends."""
        await self.ask("GET", path)
        return await self._follow()

    async def post(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        """Send a form, with the headers of a browser that sends it from a page of ours, or `headers`."""
        own = {"origin": ORIGIN, "sec-fetch-site": "same-origin"} if headers is None else headers
        body = urlencode(fields, errors="surrogatepass").encode()
        return await self.ask("POST", path, body, {**own, "content-type": FORM_TYPE})

    async def submit(self, action: str, **fields: str) -> int:
        """Send the form of the page that leads to `action`, filled in; go where it sends."""
        await self.post(
            action, {**self.page.forms[action], **{name.removesuffix("_"): v for name, v in fields.items()}}
        )
        return await self._follow()

    async def sign_in(self, name: str = NAME, password: str = PASSWORD, *, to: str = "/account") -> int:
        """By the form."""
        await self.get(f"/sign-in?{urlencode({'return_to': to})}")
        return await self.submit("/sign-in", login_name=name, password=password)

    async def _follow(self) -> int:
        while self.reply.status == 303:
            await self.ask("GET", self.header("location") or "")
        return self.reply.status
