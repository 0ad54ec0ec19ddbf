"""The token endpoint of the registry of images, over stand-ins: one device of project 3, and Anna, who releases 26."""

import base64
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast
from urllib.parse import parse_qs
from uuid import UUID

from cryptography.x509 import Certificate
from joserfc.jwk import KeySet, RSAKey

from services.auth.procedures.registry_tokens import RegistryTokenProcedures
from services.auth.provider.certificates import certificate_of
from services.auth.provider.registry import Registry
from services.auth.provider.requests import Answered, Call
from services.auth.provider.signing_keys import Signer
from services.auth.records.devices import DeviceCredential
from services.auth.records.registry_tokens import IssueRegistryToken
from services.auth.records.sessions import Source
from services.auth.records.tickets import VerifiedTicket
from shared import api_keys
from shared.identities import ServiceIdentity

SECRET: Final = "the device's own"
ISSUER: Final = "https://accounts.test"
OWN: Final = "apps/prod_amd64_26_press"
OTHERS: Final = "apps/prod_amd64_77_weather"
ANNAS: Final = api_keys.mint(bytes(48))


class Door:
    """The endpoint; `now` is its clock."""

    def __init__(self, now: float) -> None:
        """Nobody has come."""
        self.now = now
        self.key = RSAKey.generate_key(2048, {"kid": "sign-1"}, private=True)
        began_at = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
        self.certificate = certificate_of(cast("Any", self.key.private_key), "sign-1", began_at)
        self.state: Any = "active"
        self.is_locked = False
        self.scopes = ["all"]
        parts = cast("Any", self)
        self.registry = Registry(parts, parts, parts, parts, parts, issuer=ISSUER, now=lambda: self.now)
        self._logins = RegistryTokenProcedures(parts, parts, parts, lambda: self.now, issuer=ISSUER)

    async def login(self, *repositories: str) -> str:
        """What the device's agent is given to log in with."""
        asked = IssueRegistryToken(7, list(repositories or (OWN,)))
        token: str = await self._logins.registry_token_issue(ServiceIdentity("devices", 1), asked)
        return token

    async def ask(self, name: str, password: str, scope: str = "", service: str = "registry") -> Answered:
        """Ask for a token as `docker login` and `docker pull` do."""
        fields = {"service": (service,), **{key: tuple(each) for key, each in parse_qs(scope).items()}}
        basic = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
        return await self.ask_as(basic, fields)

    async def ask_as(self, authorization: str, fields: dict[str, tuple[str, ...]]) -> Answered:
        """The same, with any header."""
        return await self.registry.let_in(
            Call("GET", "/registry/token", fields, authorization, Source("192.0.2.1", ""))
        )

    # ---- what the endpoint is made of

    async def run(self, _: Any) -> DeviceCredential | None:
        """The database: the device's credential."""
        if self.state is None:
            return None
        return DeviceCredential(7, 3, UUID(int=7), self.state, UUID(int=1), b"", b"", b"")

    async def open(self, *_: Any) -> str:
        """The keyring: the device's secret."""
        return SECRET

    def is_device_out(self, *_: int) -> bool:
        """The locks."""
        return self.is_locked

    def find_lock(self, *_: Any) -> Any:
        """The locks, as rights know them."""
        return SimpleNamespace() if self.is_locked else None

    async def signer(self) -> Signer:
        """What signs."""
        return Signer(self.key, KeySet([self.key]), cast("Any", {}))

    async def certificates(self) -> dict[str, Certificate]:
        """Its certificate."""
        return {"sign-1": self.certificate}

    async def opened_by(self, ticket: str, _: str) -> VerifiedTicket | None:
        """The tickets: Anna's."""
        return VerifiedTicket(5, "key-1", self.scopes, self.now + 60) if ticket == ANNAS else None

    async def decide(self, account_key: int, flag: str, asset: Any, _: Any) -> Any:
        """The rights: Anna releases 26."""
        return SimpleNamespace(allowed=(account_key, flag, asset.key) == (5, "RELEASE", 26))
