"""OpenID clients that nobody here wrote, each a process of its own on a port of its own, over TLS.

They trust the platform's CA, and it vouches for them. They listen at 127.0.0.1 while the platform's pages are at
localhost, so that their cookies are apart, as those of two hosts are.
"""

import datetime as dt
import grp
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import pytest
from attrs import frozen

from deploy.local.authority import Order, ensure_authority, issue
from deploy.local.processes import LEASH
from tests.harness.clients import Account, new_name
from tests.harness.node import CACHE, packages, program
from tests.harness.ports import free_ports
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

HOST: Final = "127.0.0.1"
START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 10.0
APACHE_MODULES: Final = Path("/usr/lib/apache2/modules")
APACHE_USER: Final = "www-data"
OPENID_CLIENT: Final = Path(__file__).parents[1] / "e2e" / "openid"
CLIENTS_CACHE: Final = "ironflock-openid-clients"


@frozen
class Place:
    """Where a client is to run: a folder that every user may cross, a port, and a certificate for it."""

    platform: RunningPlatform
    folder: Path
    port: int

    @property
    def origin(self) -> str:
        """Of the client."""
        return f"https://{HOST}:{self.port}"

    @property
    def issuer(self) -> str:
        """The provider."""
        return f"https://localhost:{self.platform.ports.accounts}"

    @property
    def ca(self) -> Path:
        """What clients trust."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """Of the client."""
        return self.folder / "client.pem"

    @property
    def key(self) -> Path:
        """Of the certificate."""
        return self.folder / "client.key"

    def write(self, name: str, content: str) -> Path:
        """A file of the client, which its user can read."""
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.parent.chmod(0o755)
        file.write_text(content, encoding="utf-8")
        file.chmod(0o644)
        return file


@contextmanager
def new_place(platform: RunningPlatform) -> Iterator[Place]:
    """A place for one client."""
    with tempfile.TemporaryDirectory(prefix="ironflock-client-") as name:
        (port,) = free_ports(1)
        place = Place(platform, Path(name), port)
        place.folder.chmod(0o755)
        now = dt.datetime.now(dt.UTC)  # noqa: TID251 - certificates are judged by the real clock
        order = Order(place.certificate, place.key, (HOST,), dt.timedelta(days=1))
        issue(ensure_authority(platform.state.ca, now), order, now)
        place.write("ca.pem", platform.state.ca_certificate.read_text(encoding="utf-8"))
        yield place


@contextmanager
def registered(owner: Account, **wanted: Any) -> Iterator[tuple[str, str]]:
    """A client as the first owner registers it: its id and secret."""
    made = owner.call("ironflock.auth.client.register", name=new_name("client"), **wanted)
    try:
        yield made["client_id"], made["client_secret"]
    finally:
        owner.call("ironflock.auth.client.end", client_id=made["client_id"])


@contextmanager
def running(
    place: Place, words: list[str], environment: Mapping[str, str] | None = None, told: str = ""
) -> Iterator[Place]:
    """The client's process while the block runs; it reads `told`, and ends with this process, however that ends."""
    leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(signal.SIGTERM)), "-1", "-1", "-1"]
    log, reads = place.folder / "client.log", place.write("told", told)
    reads.chmod(0o600)
    with log.open("wb") as out, reads.open("rb") as source:
        process = subprocess.Popen(
            [*leash, *words],
            cwd=place.folder,
            env={"PATH": os.defpath, **(environment or {})},
            stdin=source,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: process.poll() is not None or _listens(place.port), START_TIMEOUT_S, "the client listens")
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        yield place
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def mod_auth_openidc(platform: RunningPlatform, owner: Account) -> Iterator[Place]:
    """Debian's Apache with mod_auth_openidc before every page of it but `/out.html`."""
    apache = program("apache2", else_in=Path("/usr/sbin"))
    if not (APACHE_MODULES / "mod_auth_openidc.so").exists():
        pytest.skip("libapache2-mod-auth-openidc is not installed")
    with (
        new_place(platform) as place,
        registered(
            owner,
            redirect_uris=[f"{place.origin}/oidc"],
            post_logout_redirect_uris=[f"{place.origin}/out.html"],
            backchannel_logout_uri=f"{place.origin}/oidc?logout=backchannel",
        ) as (client_id, secret),
    ):
        place.write("pages/index.html", "inside")
        place.write("pages/out.html", "outside")
        user = pwd.getpwnam(APACHE_USER) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        group = grp.getgrgid(user.pw_gid).gr_name
        settings = (OPENID_CLIENT / "apache.conf").read_text(encoding="utf-8")
        defined = {
            "MODULES": APACHE_MODULES, "FOLDER": place.folder, "USER": user.pw_name, "GROUP": group,
            "ORIGIN": place.origin, "PORT": place.port, "ISSUER": place.issuer, "CLIENT_ID": client_id,
        }  # fmt: skip
        lines = [*(f'Define {name} "{value}"' for name, value in defined.items()), settings]
        secrets = place.write("secrets.conf", f'OIDCClientSecret "{secret}"\nOIDCCryptoPassphrase "{secret}"\n')
        secrets.chmod(0o600)
        conf = place.write("apache.conf", "\n".join(lines))
        with running(place, [apache, "-f", str(conf), "-DFOREGROUND"]):
            yield place


@contextmanager
def oauth2_proxy(platform: RunningPlatform, owner: Account) -> Iterator[Place]:
    """oauth2-proxy before a page that is always there; it refreshes its tokens after a second."""
    binary = program("oauth2-proxy", else_in=CACHE / CLIENTS_CACHE)
    with (
        new_place(platform) as place,
        registered(
            owner,
            redirect_uris=[f"{place.origin}/oauth2/callback"],
            post_logout_redirect_uris=[f"{place.origin}/ping"],
            is_first_party=True,
        ) as (client_id, secret),
    ):
        words = [binary, *_oauth2_proxy_settings(place, client_id)]
        kept = {"OAUTH2_PROXY_CLIENT_SECRET": secret, "OAUTH2_PROXY_COOKIE_SECRET": secret[:32]}
        with running(place, words, kept):
            yield place


def _oauth2_proxy_settings(place: Place, client_id: str) -> list[str]:
    return [
        f"--https-address={HOST}:{place.port}",
        "--http-address=-",
        f"--tls-cert-file={place.certificate}",
        f"--tls-key-file={place.key}",
        "--provider=oidc",
        f"--oidc-issuer-url={place.issuer}",
        f"--provider-ca-file={place.ca}",
        f"--client-id={client_id}",
        f"--redirect-url={place.origin}/oauth2/callback",
        "--scope=openid profile email",
        "--code-challenge-method=S256",
        "--email-domain=*",
        "--skip-provider-button",
        "--cookie-refresh=1s",
        "--set-xauthrequest",
        "--pass-access-token",
        f"--whitelist-domain={urlsplit(place.issuer).netloc}",
        "--upstream=static://200",
    ]


def oauth2_proxy_sign_out(place: Place) -> str:
    """Where a person signs out of oauth2-proxy and of the provider: it puts the ID token in itself."""
    back = urlencode({"post_logout_redirect_uri": f"{place.origin}/ping"})
    there = f"{place.issuer}/oauth/end_session?id_token_hint={{id_token}}&{back}"
    return f"{place.origin}/oauth2/sign_out?rd={quote(there, safe='')}"


@contextmanager
def openid_client(platform: RunningPlatform, owner: Account) -> Iterator[Place]:
    """A small site that signs people in by the npm package openid-client: `tests/e2e/openid/client.mjs`."""
    node, scripts = program("node"), packages(OPENID_CLIENT, CLIENTS_CACHE)
    with (
        new_place(platform) as place,
        registered(
            owner,
            redirect_uris=[f"{place.origin}/callback"],
            post_logout_redirect_uris=[f"{place.origin}/out"],
            scopes=["openid", "profile", "email", "offline_access"],
            token_endpoint_auth_method="client_secret_post",
            grant_types=["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        ) as (client_id, secret),
    ):
        told = {
            "issuer": place.issuer, "client_id": client_id, "client_secret": secret, "origin": place.origin,
            "host": HOST, "port": place.port, "certificate": str(place.certificate), "key": str(place.key),
        }  # fmt: skip
        words = [node, str(scripts / "client.mjs")]
        with running(place, words, {"NODE_EXTRA_CA_CERTS": str(place.ca)}, json.dumps(told)):
            yield place
