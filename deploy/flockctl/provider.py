"""The platform's OpenID provider, as flockctl asks it: RFC 8628 (device authorization), refreshing, RFC 7009."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from attrs import field, frozen

from deploy.flockctl.errors import AwayError, CommandError

CLIENT_ID: Final = "flockctl"
SCOPES: Final = "openid profile offline_access"
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
TIMEOUT_S: Final = 15
MAX_ANSWER_OCTETS: Final = 65_536
BUSY: Final = frozenset({"temporarily_unavailable", "server_error"})
UNREADABLE: Final = "the platform's sign-in answered with something unexpected; is flockctl of its release?"


@frozen
class Waiting:
    """A sign-in that waits for its person: what they type where, for how long, how often it may be asked for."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri_complete: str
    expires_in: int
    interval: int = 5


@frozen
class Tokens:
    """What a sign-in gave."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    scope: str


class OAuthError(Exception):
    """The provider refused; `error` is its code (RFC 6749 section 5.2, RFC 8628 section 3.5)."""

    def __init__(self, error: str) -> None:
        """Say which."""
        super().__init__(error)
        self.error = error


class Provider:
    """Speaks with the provider at `origin`; every call blocks."""

    def __init__(self, origin: str, ca: Path | None) -> None:
        """Trust the authorities of the PEM file `ca`, or the system's.

        Raises:
            CommandError: The file cannot be read.
        """
        self._url = urlsplit(origin)
        try:
            self._context = ssl.create_default_context(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise CommandError("no_ca", f"the CA file {ca} cannot be read; was the platform started here?") from error

    def begin(self, access: str) -> Waiting:
        """A sign-in begins; `access` is the scope `all` or `read`. Errors as `refreshed`."""
        answer = self._post("/oauth/device_authorization", {"scope": f"{SCOPES} {access}"})
        try:
            return Waiting(**{name: answer[name] for name in _WAITING if name in answer})
        except TypeError as error:
            raise CommandError("unexpected_answer", UNREADABLE) from error

    def tokens(self, waiting: Waiting) -> Tokens:
        """The tokens of a sign-in, once its person has let it. Errors as `refreshed`."""
        return self._tokens({"grant_type": DEVICE_GRANT, "device_code": waiting.device_code})

    def refreshed(self, refresh_token: str) -> Tokens:
        """The next tokens; the refresh token is spent.

        Raises:
            OAuthError: The provider refused.
            AwayError: It cannot be reached.
        """
        return self._tokens({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def revoke(self, refresh_token: str) -> None:
        """End everything that came from the sign-in. Errors as `refreshed`."""
        self._post("/oauth/revoke", {"token": refresh_token})

    def _tokens(self, fields: dict[str, str]) -> Tokens:
        answer = self._post("/oauth/token", fields)
        try:
            return Tokens(**{name: answer[name] for name in ("access_token", "refresh_token", "expires_in", "scope")})
        except KeyError as error:
            raise CommandError("unexpected_answer", UNREADABLE) from error

    def _post(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        try:
            status, body = self._answer(path, urlencode({"client_id": CLIENT_ID, **fields}))
            content = json.loads(body) if body else {}
        except (OSError, http.client.HTTPException) as error:
            raise AwayError(f"the sign-in at {self._url.netloc} cannot be reached") from error
        except ValueError as error:
            raise CommandError("unexpected_answer", UNREADABLE) from error
        if not isinstance(content, dict):
            raise CommandError("unexpected_answer", UNREADABLE)
        if status == http.HTTPStatus.OK:
            return content
        if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR or content.get("error") in BUSY:
            raise AwayError(f"the sign-in at {self._url.netloc} is away")
        raise OAuthError(str(content.get("error", "")))

    def _answer(self, path: str, body: str) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(
            self._url.hostname or "", self._url.port, timeout=TIMEOUT_S, context=self._context
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "flockctl"}
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            return response.status, response.read(MAX_ANSWER_OCTETS)
        finally:
            connection.close()


_WAITING: Final = ("device_code", "user_code", "verification_uri_complete", "expires_in", "interval")
