"""The token endpoint of the registry of images: who logs in there, and what they may pull and push.

A stock registry sends whoever comes to it here (`WWW-Authenticate: Bearer realm=...`). A device shows the token that
its agent was given, with the device's secret as the password: it pulls the images of its own apps. A person shows an
API key as the password: they pull and push those of apps that they may release.
"""

import base64
import binascii
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from hmac import compare_digest
from http import HTTPStatus
from typing import Any, Final

import structlog
from attrs import frozen
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwt
from joserfc.errors import JoseError

from services.auth.keyring import Keyring
from services.auth.locks import Locks
from services.auth.provider.requests import Answered, Call, answered
from services.auth.provider.signing_keys import SigningKeys
from services.auth.provider.tickets import Tickets
from services.auth.records.provider import SIGNING_ALGORITHM
from services.auth.records.registry_tokens import LOGIN, LOGIN_TYPE
from services.auth.rules import registry as rules
from services.auth.rules.devices import belongs, device_key_of, secret_context
from services.auth.store.devices import device_credential_find
from shared import api_keys
from shared.database import Database
from shared.rights.decision_point import Rights
from shared.rights.records import app_asset, app_domain
from shared.scopes import scopes_of

SERVICE: Final = "registry"
"""What a registry calls itself (`auth.token.service`): the audience of its tokens."""
TOKEN_TYPE: Final = "registry+jwt"  # noqa: S105 - a type
LIFE_S: Final = 300
EARLY_S: Final = 60
MAX_PASSWORD: Final = 4_096
PEM: Final = ("Content-Type", "application/x-pem-file")
CHALLENGE: Final = [("WWW-Authenticate", 'Basic realm="registry"'), ("Cache-Control", "no-store")]
JSON: Final = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]

log = structlog.get_logger()


@frozen
class Visitor:
    """Who is at the registry, and what they may do with which repository of those that are asked for."""

    subject: str
    allowed: dict[str, list[str]]


class Registry:
    """Lets devices and people in."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        keys: SigningKeys,
        tickets: Tickets,
        rights: Rights,
        *,
        issuer: str,
        now: Callable[[], float],
    ) -> None:
        """Sign with `keys` as `issuer`; `now` gives Unix seconds."""
        self._database = database
        self._keyring = keyring
        self._keys = keys
        self._tickets = tickets
        self._rights = rights
        self._locks = Locks(rights)
        self._issuer = issuer
        self._now = now

    async def let_in(self, call: Call) -> Answered:
        """A token for what is asked for and allowed; without a login nothing.

        Raises:
            UnavailableError: Keys, locks or rights cannot be looked up now.
        """
        wishes = rules.wanted(call.fields.get("scope", ()))
        if call.one("service") != SERVICE:
            return answered(HTTPStatus.BAD_REQUEST, _errors("UNSUPPORTED", "this is no registry of ours"), JSON)
        visitor = await self._visitor(call, wishes)
        if visitor is None:
            refused = _errors("UNAUTHORIZED", "what you log in with opens nothing")
            return answered(HTTPStatus.UNAUTHORIZED, refused, [*CHALLENGE, JSON[0]])
        access = rules.granted(wishes, visitor.allowed)
        made = await self._signed(visitor.subject, access)
        log.info("registry_token_issued", subject=visitor.subject, repositories=len(access))
        issued_at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = {"token": made, "access_token": made, "expires_in": LIFE_S, "issued_at": issued_at}
        return answered(HTTPStatus.OK, body, JSON)

    async def show_certificates(self, _: Call) -> Answered:
        """The certificates of the keys that sign and will sign, for the registry's `rootcertbundle`."""
        found = await self._keys.certificates()
        return Answered(HTTPStatus.OK, (PEM,), b"".join(each.public_bytes(Encoding.PEM) for each in found.values()))

    async def _visitor(self, call: Call, wishes: list[rules.Wanted]) -> Visitor | None:
        shown = _basic(call.authorization)
        if shown is None or len(shown[1]) > MAX_PASSWORD:
            return None
        name, password = shown
        if password.startswith(api_keys.PREFIX):
            return await self._person(password, call.source.address, wishes)
        return await self._device(name, password)

    async def _device(self, login: str, secret: str) -> Visitor | None:
        claims = await self._login_claims(login)
        subject = "" if claims is None else str(claims.get("sub"))
        device_key = device_key_of(subject)
        if claims is None or device_key is None:
            return None
        found = await self._database.run(lambda connection: device_credential_find(connection, device_key))
        if found is None or found.state != "active" or not belongs(found, subject):
            return None
        clear = await self._keyring.open(found.secret, secret_context(device_key))
        is_right = compare_digest(clear.encode(), secret.encode())
        if not is_right or self._locks.is_device_out(found.project_key, device_key):
            return None
        return Visitor(f"device {subject}", rules.allowed_by(claims.get("access")))

    async def _person(self, key: str, address: str, wishes: list[rules.Wanted]) -> Visitor | None:
        found = await self._tickets.opened_by(key, address)
        if found is None:
            return None
        allowed: dict[str, list[str]] = {}
        may_change = scopes_of(found.scopes).usable(changes=True).is_everywhere
        for wish in wishes if may_change else ():
            if wish.app_key is not None:
                asset, place = app_asset(wish.app_key, is_public=False), app_domain(wish.app_key)
                decision = await self._rights.decide(found.account_key, "RELEASE", asset, place)
                if decision.allowed:
                    allowed[wish.name] = list(rules.ACTIONS)
        return Visitor(f"account {found.account_key}", allowed)

    async def _login_claims(self, login: str) -> dict[str, Any] | None:
        signer = await self._keys.signer()
        try:
            read = jwt.decode(login, signer.keys, algorithms=[SIGNING_ALGORITHM])
        except (JoseError, ValueError):
            return None
        claims = dict(read.claims)
        is_ours = (read.header.get("typ"), claims.get("iss"), claims.get("aud")) == (LOGIN_TYPE, self._issuer, LOGIN)
        now, begins, ends = self._now(), claims.get("nbf"), claims.get("exp")
        is_now = isinstance(begins, int) and isinstance(ends, int) and begins <= now < ends
        return claims if is_ours and is_now else None

    async def _signed(self, subject: str, access: list[dict[str, Any]]) -> str:
        signer, certificates = await self._keys.signer(), await self._keys.certificates()
        now = int(self._now())
        claims = {
            "iss": self._issuer,
            "sub": subject,
            "aud": SERVICE,
            "iat": now,
            "nbf": now - EARLY_S,
            "exp": now + LIFE_S,
            "jti": secrets.token_hex(16),
            "access": access,
        }
        return signer.sign(claims, TOKEN_TYPE, certificates[str(signer.key.kid)])


def _basic(authorization: str) -> tuple[str, str] | None:
    """Name and password of HTTP Basic (RFC 7617); None where it is not there, or malformed."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon else None


def _errors(code: str, message: str) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message}]}
