"""A real HAProxy that reads the name out of TLS and passes the octets on: who comes is known behind it."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.https import listen_https
from shared.proxied import read_proxies
from shared.settings import Settings
from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.reactor import listening
from tests.integration.shared.test_proxied import Who

HERE = read_proxies(Settings("X", {"IRONFLOCK_X_PROXIES": "127.0.0.1/32"}))
CONFIGURATION = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend names
  bind 127.0.0.1:{port}
  tcp-request inspect-delay 5s
  tcp-request content accept if {{ req.ssl_hello_type 1 }}
  use_backend known if {{ req.ssl_sni -i localhost }}
backend known
  server one 127.0.0.1:{behind} {how}
"""


@contextmanager
def haproxy(folder: Path, behind: int, how: str) -> Iterator[int]:
    """The port of one that passes on to `behind`."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        pytest.skip("HAProxy is not installed: no real proxy names who comes")
    [port] = free_ports(1)
    (folder / "haproxy.cfg").write_text(CONFIGURATION.format(port=port, behind=behind, how=how))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-db", "-f", str(folder / "haproxy.cfg")], stdout=log, stderr=log)

    def is_up() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(is_up, 30, "HAProxy listens")
        yield port
    finally:
        process.kill()
        process.wait()


def asked(certificates: Certificates, port: int, source: str) -> bytes:
    """Who somebody at `source` is for what answers behind `port`."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := secured.recv(1_000):
            answer += piece
    return answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,authority"])
def test_behind_haproxy_it_is_known_who_comes(how: str, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    with (
        listening(
            certificates, lambda tls: listen_https(tls, 0, "127.0.0.1", Who(), idle_timeout_s=10, proxies=HERE)
        ) as behind,
        haproxy(tmp_path, behind, how) as port,
    ):
        assert asked(certificates, port, "127.0.0.9") == b'"127.0.0.9"'
        assert asked(certificates, port, "127.0.0.10") == b'"127.0.0.10"'
