"""Everything by which people sign in, on a real database, with a clock that stands still until it is moved."""

import re
from collections.abc import Awaitable
from typing import TypeVar

import pyotp
from attrs import evolve

from services.auth.account_changes import AccountChanges
from services.auth.administration import Administration
from services.auth.factors import Factors
from services.auth.installation import Installation
from services.auth.keyring import Keyring
from services.auth.links import AccountParts, Links
from services.auth.locks import Locks
from services.auth.mailing import Mailing
from services.auth.passkeys import Passkeys
from services.auth.passwords import Passwords
from services.auth.reauthentication import Reauthentication
from services.auth.records.messages import Letter
from services.auth.records.sessions import NeedsFactor, NewSession, SignedIn, Source
from services.auth.registration import Registration
from services.auth.rules.totp import PERIOD_S
from services.auth.sessions import Sessions
from services.auth.sign_in import SignIn
from services.auth.sign_in_parts import Parts
from services.auth.step_up import StepUp
from services.auth.throttling import Throttle
from shared.database import Database
from shared.flags import FLAGS, AssetKind
from shared.identities import Person
from shared.rights.records import INSTALLATION, Grant, Standing
from tests.harness.rights import KnownRights
from tests.integration.database import Postgres

Value = TypeVar("Value")
ORIGIN = "https://accounts.test:8441"
NAME, PASSWORD = "anna@example.com", "quietly nine lamps hum"
HOME = Source("192.0.2.1", "Firefox")
AWAY = Source("198.51.100.9", "curl")
_URL = re.compile(r"https://accounts\.test:8441/([a-z-]+)\?code=([\w-]+)")


class Letters:
    """Takes every message."""

    def __init__(self) -> None:
        self.taken: list[Letter] = []

    async def deliver(self, message_id: str, letter: Letter) -> None:
        self.taken.append(letter)


class People:
    """The installation's people."""

    def __init__(
        self, database: Database, keyring: Keyring, postgres: Postgres, rights: KnownRights, *, now: float
    ) -> None:
        self.now = now
        self.rights = rights
        self.locks, self.installation = Locks(rights), Installation(rights)
        self.postgres = postgres
        self.database = database
        self.letters = Letters()
        self.times_shut_out = 0
        self.mailing = Mailing(database, keyring, ORIGIN, lambda: 0.5)
        self.sessions = Sessions(database, keyring, self.locks)
        self.passwords = Passwords(workers=2)
        self.throttle = Throttle(database)
        self.factors = Factors(database, keyring, self.mailing, lambda: self.now, issuer="IronFlock")
        self.passkeys = Passkeys(database, self.mailing, origin=ORIGIN, name="IronFlock")
        parts = Parts(
            database, keyring, self.sessions, self.passwords, self.throttle, self.factors, self.passkeys, self.locks
        )
        self.sign_in = SignIn(parts)
        self.again = Reauthentication(parts)
        self.step_up = StepUp(database, self.database_now)
        self.links = Links(database, self.mailing)
        self.parts = AccountParts(
            database=database,
            keyring=keyring,
            mailing=self.mailing,
            passwords=self.passwords,
            sessions=self.sessions,
            sign_in=self.sign_in,
            throttle=self.throttle,
            is_open=True,
        )
        self.registration = Registration(self.parts, self.links, self.installation)
        self.changes = AccountChanges(self.parts, self.links)

    def database_now(self) -> float:
        """The database's clock, by which keys and sessions end."""
        return float(self.postgres.rows("SELECT extract(epoch FROM now())::float8")[0][0])

    def shut_out(self) -> None:
        """Somebody was disabled."""
        self.times_shut_out += 1

    async def post(self) -> list[Letter]:
        """What was sent since it was asked last."""
        await self.mailing.deliver_due(self.letters)
        taken, self.letters.taken = self.letters.taken, []
        return taken

    async def link(self) -> tuple[str, str]:
        """The page and the code of the one link that was sent."""
        (letter,) = await self.post()
        found = _URL.search(letter.text)
        assert found is not None, letter.text
        return found[1], found[2]

    async def join(self, name: str = NAME, password: str = PASSWORD) -> NewSession:
        """Somebody signs up and comes."""
        await self.registration.sign_up(name, "en", HOME)
        page, code = await self.link()
        assert page == "verification"
        return await self.registration.accept(
            code, "verification", display_name="Anna", password=password, locale="en", source=HOME
        )

    async def enrol(self, new: NewSession) -> str:
        """Set time-based codes up; the secret."""
        offer = await self.factors.begin_totp(new.session)
        await self.factors.confirm_totp(new.session, self.code(offer.secret))
        await self.post()
        return offer.secret

    def code(self, secret: str, steps: int = 0) -> str:
        """The code of the time step `steps` from now."""
        return pyotp.TOTP(secret).at(int(self.now) + steps * PERIOD_S)

    def later(self, steps: int = 1) -> None:
        """Let time steps go by."""
        self.now += steps * PERIOD_S

    async def begun(self, name: str = NAME, password: str = PASSWORD, browser: str | None = None) -> str:
        """The token of a sign-in that waits for its factor."""
        step = await self.sign_in.with_password(name, password, AWAY, browser=browser)
        assert isinstance(step, NeedsFactor)
        return step.token

    async def signed_in(self, name: str = NAME, password: str = PASSWORD) -> NewSession:
        """A new session by password alone."""
        step = await self.sign_in.with_password(name, password, HOME, browser=None)
        assert isinstance(step, SignedIn)
        return step.new

    def person(self, new: NewSession) -> Person:
        """The caller that the session's person is."""
        return Person(new.session.account_key, 0, new.session.session_id)

    def actions(self) -> list[str]:
        """What was recorded, in order."""
        return [row[0] for row in self.postgres.rows("SELECT action FROM audit.queue ORDER BY id")]

    def set_first_owner(self, new: NewSession) -> None:
        """Make them the first owner, who has every flag on the installation."""
        self.postgres.run(
            f"UPDATE auth.account SET is_first_owner = account_key = {new.session.account_key}"  # noqa: S608
        )
        self.give(new, *FLAGS[AssetKind.INSTALLATION])

    def give(self, new: NewSession, *flags: str) -> None:
        """Give them these flags on the installation, and no others."""
        kind, key = AssetKind.INSTALLATION, INSTALLATION.key
        grants = tuple(Grant(at, flag, kind, key, None) for at, flag in enumerate(flags, start=1))
        self.rights.hold(
            new.session.account_key, INSTALLATION, Standing(is_owner=False, is_member=False, grants=grants)
        )

    def administration(self) -> Administration:
        """Others' accounts, in the hands of those who run the installation."""
        return Administration(self.database, self.sessions, self.mailing, self.installation, shut_out=self.shut_out)

    def age(self, new: NewSession, seconds: float) -> None:
        """Let the session's person have shown who they are so many seconds earlier."""
        self.postgres.run(
            f"UPDATE auth.session SET authenticated_at = authenticated_at - interval '{seconds} s',"  # noqa: S608
            f" factor_at = factor_at - interval '{seconds} s' WHERE session_id = '{new.session.session_id}'"
        )


async def outcome(work: Awaitable[Value]) -> Value | Exception:
    """What came of it, or what it was refused with."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error


def elsewhere(source: Source, address: str) -> Source:
    """The same program at another address."""
    return evolve(source, address=address)
