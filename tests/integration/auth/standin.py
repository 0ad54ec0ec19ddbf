"""Another OpenID provider, over TLS, in a thread: answers as told, also as no provider should."""

import base64
import hashlib
import http.server
import json
import secrets
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import serialize_compact

from services.auth.records.upstream import UpstreamProvider
from tests.integration.flockctl.certificates import Certificates

CLIENT, SECRET = "ironflock", "s3cret+/ %"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
Answer = tuple[int, dict[str, str], bytes]
Handle = Callable[[str, dict[str, str], bytes], Answer]


def as_json(content: Any, status: int = 200) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(content).encode()


class StandIn:
    """A provider. `claims` changes what its ID tokens say; `answers` replaces what a path answers."""

    def __init__(self, certificates: Certificates, now: Callable[[], float]) -> None:
        standin = self
        self.certificates = certificates
        self.now = now
        self.key: Key = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
        self.algorithm = "ES256"
        self.claims: dict[str, Any] = {}
        self.given: dict[str, Any] = {}
        self.described: dict[str, Any] = {}
        self.answers: dict[str, Handle] = {}
        self.asked: list[str] = []
        self.header: dict[str, Any] = {}
        self.sub = "u-1"
        self.answering: Handle = self.answer
        self._codes: dict[str, dict[str, str]] = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["content-length"])))

            def _answer(self, body: bytes) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, said, content = standin.answering(self.path, headers, body)
                self.send_response(status)
                for name, value in {**said, "content-length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate, certificates.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def issuer(self) -> str:
        return f"https://localhost:{self._server.server_address[1]}"

    def provider(self, **changes: Any) -> UpstreamProvider:
        """The provider as an operator describes it."""
        known: dict[str, Any] = {
            "name": "works", "title": "Works", "issuer": self.issuer, "client_id": CLIENT, "client_secret": SECRET,
            "scopes": ("openid", "email"), "trusts_addresses": True, "satisfies_second_factor": False,
            "required_claims": {}, "session_hours": 12, "ca": str(self.certificates.ca),
        }  # fmt: skip
        return UpstreamProvider(**{**known, **changes})

    def turn(self, kind: str) -> None:
        """Another key of another kind signs from now on."""
        made: dict[str, Callable[[], Key]] = {
            "RS256": lambda: RSAKey.generate_key(2048, {"kid": "r"}),
            "PS256": lambda: RSAKey.generate_key(2048, {"kid": "p"}),
            "ES256": lambda: ECKey.generate_key("P-256", {"kid": secrets.token_hex(4)}),
            "Ed25519": lambda: OKPKey.generate_key("Ed25519", {"kid": "e"}),
        }
        self.key, self.algorithm = made[kind](), kind

    def authorize(self, url: str) -> str:
        """Somebody signs in; the path with which the browser comes back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        back = urlsplit(asked["redirect_uri"])
        return f"{back.path}?code={code}&state={asked['state']}"

    def token(self, **claims: Any) -> str:
        """A signed token."""
        said = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid, **self.header}
        # Not as a JWT: that would refuse to write what no provider should.
        return serialize_compact(header, json.dumps(said).encode(), self.key, algorithms=[self.algorithm])

    def logout_token(self, **changes: Any) -> str:
        now = int(self.now())
        said = {
            "iss": self.issuer, "aud": CLIENT, "sub": self.sub, "iat": now, "exp": now + 120,
            "jti": secrets.token_hex(8), "events": {EVENT: {}},
        }  # fmt: skip
        return self.token(**{**said, **changes})

    def answer(self, target: str, headers: dict[str, str], body: bytes) -> Answer:
        path = urlsplit(target).path
        self.asked.append(path)
        own: dict[str, Handle] = {
            "/.well-known/openid-configuration": self._describe,
            "/keys": lambda *_: as_json({"keys": [self.key.as_dict(private=False)]}),
            "/token": self._token,
        }
        handle = self.answers.get(path, own.get(path))
        return as_json({"error": "not_found"}, 404) if handle is None else handle(target, headers, body)

    def _describe(self, *_: object) -> Answer:
        known = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA", "Ed25519", "HS256", "none"],
        }
        return as_json({**known, **self.described})

    def _token(self, _: str, headers: dict[str, str], body: bytes) -> Answer:
        fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        basic = base64.b64encode(b"ironflock:s3cret%2B%2F+%25").decode()
        assert headers["authorization"] == f"Basic {basic}"
        if fields["grant_type"] == "refresh_token":
            return as_json({"access_token": "at", "token_type": "Bearer", **self.given})
        asked = self._codes.pop(fields["code"], None)
        digest = hashlib.sha256(fields["code_verifier"].encode()).digest()
        if asked is None or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return as_json({"error": "invalid_grant"}, 400)
        now = int(self.now())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": self.sub, "iat": now, "exp": now + 300, "auth_time": now,
            "nonce": asked["nonce"], **self.claims,
        }  # fmt: skip
        return as_json({"access_token": "at", "token_type": "Bearer", "id_token": self.token(**claims), **self.given})

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
