"""Asking one provider: who it is, by which keys it signs, what it says of a code or a refresh token.

What it says of itself is kept for an hour, its keys for ten minutes; a key that is not among them is asked for at once,
twice a minute at most, so that neither a rotation nor a forger matters. Requests go to https alone, to where the
document of the configured issuer leads, and follow no redirect.
"""

import asyncio
import base64
import json
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from services.auth.records.upstream import Metadata, UpstreamProvider
from services.auth.rules.upstream import WELL_KNOWN, Header, UntrustedError, header_of, keys_for, metadata_of, plain
from shared.posting import PostingError, Reply, fetch, post

METADATA_LIFE_S: Final = 3_600.0
KEYS_LIFE_S: Final = 600.0
KEYS_PAUSE_S: Final = 30.0
SILENCE_S: Final = 5.0
MAX_AT_ONCE: Final = 4
"""Requests to one provider under way: a slow one takes no thread of others."""
ASKED: Final = {"accept": "application/json", "user-agent": "IronFlock"}
FORM: Final = {**ASKED, "content-type": "application/x-www-form-urlencoded"}
OK: Final = 200
_KINDS: Final[dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


class UnreachableError(Exception):
    """The provider does not answer, or not as it should; it may later."""


class DeclinedError(Exception):
    """The provider refuses what it was asked; `error` is its word for it (RFC 6749 section 5.2)."""

    def __init__(self, error: str) -> None:
        """Refused as `error`."""
        super().__init__(f"the provider answered {error}")
        self.error = error


class Asking:
    """One provider, asked."""

    def __init__(self, provider: UpstreamProvider, now: Callable[[], float]) -> None:
        """Nothing is asked yet; `now` gives Unix seconds."""
        self.provider = provider
        self.now = now
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, Any] | None = None
        self._silent_at = -SILENCE_S
        self._reading = asyncio.Lock()
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)

    async def metadata(self) -> Metadata:
        """What the provider says of itself.

        Raises:
            UnreachableError: It says nothing.
            UntrustedError: It says what does not count.
        """
        async with self._reading:
            if self._metadata is None or not 0 <= self.now() - self._metadata[0] < METADATA_LIFE_S:
                self._metadata = (self.now(), await self._described())
            return self._metadata[1]

    async def verified(self, token: str, types: frozenset[str | None]) -> tuple[Header, dict[str, Any]]:
        """The claims of a token that the provider has signed, of one of `types`.

        Raises:
            UnreachableError: Its keys cannot be had.
            UntrustedError: It has not signed it.
        """
        header = header_of(token)
        if header.type not in types:
            raise UntrustedError("the token is of another kind")
        metadata = await self.metadata()
        for max_age_s in (KEYS_LIFE_S, KEYS_PAUSE_S):
            key_set = await self._key_set(metadata.jwks_uri, max_age_s)
            for key in keys_for(header, key_set, metadata.algorithms):
                claims = _claims(token, header, key)
                if claims is not None:
                    return header, claims
        raise UntrustedError("no key of the provider has signed the token")

    async def exchange(self, code: str, *, code_verifier: str, redirect_uri: str) -> dict[str, Any]:
        """What the provider gives for a code.

        Raises:
            UnreachableError, DeclinedError: It gives nothing.
        """
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return await self._token({**fields, "code_verifier": code_verifier})

    async def refresh(self, refresh_token: str) -> dict[str, Any]:
        """What the provider gives for a refresh token. Errors as `exchange`."""
        return await self._token({"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def user_info(self, url: str, access_token: str) -> dict[str, Any]:
        """What the provider says of the person beside the ID token. Errors as `metadata`."""
        found = await self._document(url, {**ASKED, "authorization": f"Bearer {access_token}"})
        if not isinstance(found, dict):
            raise UntrustedError("what it says of the person cannot be read")
        return found

    async def _described(self) -> Metadata:
        """What it says of itself now; one that was silent is left alone for a moment. Errors as `metadata`."""
        if 0 <= self.now() - self._silent_at < SILENCE_S:
            raise UnreachableError("it did not answer a moment ago")
        issuer = self.provider.issuer
        try:
            return metadata_of(await self._document(issuer.removesuffix("/") + WELL_KNOWN, ASKED), issuer)
        except UnreachableError:
            self._silent_at = self.now()
            raise

    async def _token(self, fields: dict[str, str]) -> dict[str, Any]:
        metadata, headers = await self.metadata(), dict(FORM)
        provider, secret = self.provider, self.provider.client_secret
        if secret is not None and metadata.takes_basic:
            pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"  # RFC 6749 section 2.3.1
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            fields = {**fields, "client_id": provider.client_id}
            if secret is not None:
                fields["client_secret"] = secret
        reply = await self._asked(post(metadata.token_endpoint, urlencode(fields).encode(), headers, provider.ca))
        found = _parsed(reply)
        if reply.status != OK and isinstance(found, dict) and plain(found.get("error")):
            raise DeclinedError(found["error"][:64])
        if reply.status != OK or not isinstance(found, dict):
            raise UnreachableError(f"the token endpoint answered {reply.status}")
        return found

    async def _key_set(self, url: str, max_age_s: float) -> Any:
        async with self._reading:
            if self._keys is None or not 0 <= self.now() - self._keys[0] < max_age_s:
                self._keys = (self.now(), await self._document(url, ASKED))
            return self._keys[1]

    async def _document(self, url: str, headers: dict[str, str]) -> Any:
        reply = await self._asked(fetch(url, headers, self.provider.ca))
        found = _parsed(reply)
        if reply.status != OK or found is None:
            raise UnreachableError(f"it answered {reply.status}, or no JSON")
        return found

    async def _asked(self, request: Awaitable[Reply]) -> Reply:
        async with self._at_once:
            try:
                return await request
            except PostingError as error:
                raise UnreachableError(str(error)) from error


def _claims(token: str, header: Header, key: dict[str, Any]) -> dict[str, Any] | None:
    """The claims of `token` if `key` has signed it."""
    public = {name: value for name, value in key.items() if name in ("kty", "n", "e", "crv", "x", "y")}
    try:
        with warnings.catch_warnings():
            # RFC 9864 has a new name for what providers call EdDSA; the keys say the curve (see `rules.upstream`).
            warnings.simplefilter("ignore", SecurityWarning)
            found = jwt.decode(token, _KINDS[str(key["kty"])].import_key(public), algorithms=[header.algorithm])
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return dict(found.claims)


def _parsed(reply: Reply) -> Any:
    try:
        return json.loads(reply.content)
    except (ValueError, RecursionError):
        return None
