"""A real listener behind a proxy, over both families of addresses."""

import json
import socket
import ssl
from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.web.http import Request
from twisted.web.resource import Resource

from shared.https import listen_https
from shared.proxied import NOBODY, Proxies, read_proxies
from shared.settings import Settings
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import listening

HERE = read_proxies(Settings("X", {"IRONFLOCK_X_PROXIES": "127.0.0.0/8,::1/128"}))
ELSEWHERE = read_proxies(Settings("X", {"IRONFLOCK_X_PROXIES": "192.0.2.0/24"}))
SAID = {
    "198.51.100.9": b"PROXY TCP4 198.51.100.9 127.0.0.1 51000 443\r\n",
    "2001:db8::9": b"\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x24"
    + socket.inet_pton(socket.AF_INET6, "2001:db8::9")
    + bytes(16)
    + b"\xc7\x38\x01\xbb",
}


class Who(Resource):
    """Answers who asks."""

    isLeaf = 1

    def render_GET(self, request: Request) -> bytes:
        address = request.getClientAddress()
        return json.dumps(getattr(address, "host", "")).encode()


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(Path(tmp_path_factory.mktemp("proxied")))


def asked(certificates: Certificates, proxies: Proxies, where: tuple[str, str], said: bytes) -> str:
    """Who `where[1]` is for a listener at `where[0]` when it says `said` before its TLS."""
    interface, host = where
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with (
        listening(
            certificates,
            lambda tls: listen_https(tls, 0, interface, Who(), idle_timeout_s=10, proxies=proxies, reactor=reactor),
        ) as port,
        socket.create_connection((host, port), timeout=10) as plain,
    ):
        plain.sendall(said)
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := secured.recv(1_000):
                answer += piece
    found: str = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("named", SAID)
def test_a_request_comes_from_whom_the_proxy_names(certificates: Certificates, host: str, named: str) -> None:
    assert asked(certificates, HERE, ("::", host), SAID[named]) == named


def test_one_listener_has_both_families(certificates: Certificates) -> None:
    assert asked(certificates, NOBODY, ("::", "::1"), b"") == "::1"
    assert asked(certificates, NOBODY, ("::", "127.0.0.1"), b"") == "::ffff:127.0.0.1"


@pytest.mark.parametrize(
    ("proxies", "said"), [(HERE, b""), (ELSEWHERE, SAID["198.51.100.9"]), (NOBODY, SAID["198.51.100.9"])]
)
def test_who_says_it_and_may_not_and_who_must_and_does_not_are_ended(
    certificates: Certificates, proxies: Proxies, said: bytes
) -> None:
    with pytest.raises((ssl.SSLError, OSError)):
        asked(certificates, proxies, ("127.0.0.1", "127.0.0.1"), said)
