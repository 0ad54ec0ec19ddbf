"""Every TCP port on which a process of the platform listens speaks TLS 1.2 or newer, and nothing else."""

import socket
import ssl
import struct
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.harness.processes import descendants, listening_ports
from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real

TIMEOUT_S = 4.0
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
ALERT, HANDSHAKE = 0x15, 0x16
SSL_REQUEST = struct.pack("!II", 8, 80877103)


def startup_message(user: str) -> bytes:
    """PostgreSQL's first message of a client that wants no TLS (protocol 3.0)."""
    body = struct.pack("!I", 196608) + f"user\0{user}\0database\0ironflock\0\0".encode()
    return struct.pack("!I", len(body) + 4) + body


PLAINTEXT = {
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "websocket": b"GET /ws-re-dev HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "wamp-rawsocket": b"\x7f\xf1\x00\x00",
    "postgresql": startup_message("svc_auth"),
    "lines": b"\r\n\r\nHELP\r\nQUIT\r\n",
}


def answer_to(port: int, *messages: bytes) -> bytes:
    """What comes back to `messages`, each sent once something came back to the one before."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            for message in messages:
                connection.sendall(message)
                received = connection.recv(4096)
        except (ConnectionError, TimeoutError):
            return b""
    return received


def client_hello(version: int) -> bytes:
    """A ClientHello that offers `version` at most, with the cipher suites of its time (RFC 4346 section 7.4.1.2)."""
    suites = b"\xc0\x0a\xc0\x09\xc0\x14\xc0\x13\x00\x35\x00\x2f\xc0\x2b\xc0\x2f"
    groups = b"\x00\x0a\x00\x06\x00\x04\x00\x17\x00\x1d"
    formats = b"\x00\x0b\x00\x02\x01\x00"
    signatures = b"\x00\x0d\x00\x08\x00\x06\x04\x03\x04\x01\x02\x01"
    extensions = groups + formats + signatures
    body = struct.pack("!H", version) + b"r" * 32 + b"\0" + struct.pack("!H", len(suites)) + suites + b"\x01\0"
    body += struct.pack("!H", len(extensions)) + extensions
    shake = b"\x01" + len(body).to_bytes(3, "big") + body
    return struct.pack("!BHH", HANDSHAKE, 0x0301, len(shake)) + shake


def speaks_sql(platform: RunningPlatform, port: int) -> bool:
    """Whether TLS is asked for there as PostgreSQL's protocol has it."""
    return port in {platform.ports.postgres, platform.ports.sql}


def ports(platform: RunningPlatform) -> dict[int, str]:
    """Where the platform's processes listen, as the kernel says, not as we do."""
    return listening_ports(descendants(platform.record.launcher))


def test_the_platform_listens_where_it_says_and_nowhere_else(ironflock: RunningPlatform) -> None:
    known = ironflock.ports
    own = {known.accounts, known.router_public, known.router_services, known.gateway, known.postgres, known.audit}
    expected = {*own, known.sql, known.tunnel, known.visitors, *known.operations.values()}

    found = ports(ironflock)

    assert set(found) == expected
    assert set(found.values()) <= LOOPBACK


@pytest.mark.parametrize("message", PLAINTEXT.values(), ids=PLAINTEXT.keys())
def test_no_listener_answers_without_tls(ironflock: RunningPlatform, message: bytes) -> None:
    listening = list(ports(ironflock))
    with ThreadPoolExecutor(len(listening)) as aside:
        answers = dict(zip(listening, aside.map(lambda port: answer_to(port, message), listening), strict=True))
    for port, answer in answers.items():
        if speaks_sql(ironflock, port):
            assert answer[:1] in (b"", b"E"), answer  # an error at the most, no request for a password
        else:
            assert answer[:1] in (b"", bytes([ALERT])), answer


def test_the_database_refuses_a_start_without_tls_before_it_asks_who_is_there(ironflock: RunningPlatform) -> None:
    logins = ("postgres", "migrate", "svc_auth", "nobody")
    answers = [answer_to(ironflock.ports.postgres, startup_message(login)) for login in logins]

    assert all(answer[:1] == b"E" and b"no encryption" in answer for answer in answers)
    assert b"encryption is required" in answer_to(ironflock.ports.sql, startup_message("anybody"))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(
            host="127.0.0.1",
            port=ironflock.ports.postgres,
            user="svc_auth",
            password=ironflock.secret("database/svc_auth"),
            dbname="ironflock",
            sslmode="disable",
        )


def shake_hands(platform: RunningPlatform, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    if speaks_sql(platform, port):
        connection.sendall(SSL_REQUEST)
        assert connection.recv(1) == b"S"
    return context.wrap_socket(connection, server_hostname="localhost")


def test_every_listener_shows_a_certificate_of_the_platforms_authority_for_its_name(ironflock: RunningPlatform) -> None:
    for port in ports(ironflock):
        with shake_hands(ironflock, port, ironflock.tls) as secured:
            assert secured.version() in ("TLSv1.2", "TLSv1.3")
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(ironflock, port, ssl.create_default_context()).close()


def test_every_listener_refuses_tls_1_1_and_takes_tls_1_2(ironflock: RunningPlatform) -> None:
    for port in ports(ironflock):
        before = (SSL_REQUEST,) if speaks_sql(ironflock, port) else ()
        for version in (0x0301, 0x0302):
            old = answer_to(port, *before, client_hello(version))
            # asyncio, which the front of SQL listens by, closes before its alert is sent.
            assert old[:1] == bytes([ALERT]) or (old == b"" and port == ironflock.ports.sql), (port, old)
        assert answer_to(port, *before, client_hello(0x0303))[:1] == bytes([HANDSHAKE]), port


WEAK = ["AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"]


@pytest.mark.parametrize("cipher", WEAK)
def test_no_listener_takes_a_cipher_without_forward_secrecy_or_authentication_of_data(
    ironflock: RunningPlatform, cipher: str
) -> None:
    context = ssl.create_default_context(cafile=str(ironflock.state.ca_certificate))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    for port in ports(ironflock):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shake_hands(ironflock, port, context).close()
