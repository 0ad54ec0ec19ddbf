"""TLS in memory: what is served, what is refused, who is trusted."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL, crypto
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test import iosim

from shared.tls import client_options, server_options
from tests.integration.flockctl.certificates import Certificates, make_certificates

NOW_AND_LATER = iter(range(2_000_000_000, 3_000_000_000))


@pytest.fixture(name="first", scope="module")
def fixture_first(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("first"))


@pytest.fixture(name="second", scope="module")
def fixture_second(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("second"))


def put(source: Path, target: Path) -> None:
    """Replace `target`, as a renewal does, and let its time differ."""
    fresh = target.with_suffix(".new")
    shutil.copy(source, fresh)
    moment = next(NOW_AND_LATER)
    os.utime(fresh, (moment, moment))
    fresh.replace(target)


@pytest.fixture(name="served")
def fixture_served(first: Certificates, tmp_path: Path) -> Certificates:
    """A copy of `first` that may change."""
    copy = Certificates(first.ca, tmp_path / "served.pem", tmp_path / "served.key")
    put(first.certificate, copy.certificate)
    put(first.key, copy.key)
    return copy


def client_context(**limits: Any) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_cipher_list(limits.get("ciphers", b"ALL:COMPLEMENTOFALL:@SECLEVEL=0"))
    if "minimum" in limits:
        context.set_min_proto_version(limits["minimum"])
    if "maximum" in limits:
        context.set_max_proto_version(limits["maximum"])
    return context


def pump(source: SSL.Connection, target: SSL.Connection) -> None:
    try:
        target.bio_write(source.bio_read(1 << 16))
    except SSL.WantReadError:
        return


def step(side: SSL.Connection) -> bool:
    try:
        side.do_handshake()
    except SSL.WantReadError:
        return False
    return True


def shake(server: SSL.Connection, context: SSL.Context) -> SSL.Connection:
    """A client that has shaken hands with `server`; SSL.Error where one of them refuses."""
    server.set_accept_state()
    client = SSL.Connection(context, None)
    client.set_connect_state()
    are_done = False
    for _ in range(10):
        client_is_done = step(client)
        pump(client, server)
        try:
            are_done = step(server) and client_is_done
        finally:
            pump(server, client)
        if are_done:
            return client
    raise AssertionError("no end of the handshake")


def connection(options: Any) -> SSL.Connection:
    made: SSL.Connection = options.serverConnectionForTLS(None)
    return made


def served_by(options: Any) -> bytes:
    client = shake(connection(options), client_context())
    certificate = client.get_peer_certificate()
    assert certificate is not None
    return crypto.dump_certificate(crypto.FILETYPE_PEM, certificate)


def test_a_renewed_certificate_is_served_without_a_restart(served: Certificates, second: Certificates) -> None:
    options = server_options(served.certificate, served.key)
    before = served_by(options)

    put(second.certificate, served.certificate)
    put(second.key, served.key)

    assert before == served.ca.with_name("localhost.pem").read_bytes()
    assert served_by(options) == second.certificate.read_bytes()


@pytest.mark.parametrize("renewed", ["certificate", "key"])
def test_while_key_and_certificate_do_not_match_the_old_one_is_served(
    served: Certificates, second: Certificates, renewed: str
) -> None:
    options = server_options(served.certificate, served.key)
    before = served_by(options)

    put(getattr(second, renewed), getattr(served, renewed))

    assert served_by(options) == before
    other = "key" if renewed == "certificate" else "certificate"
    put(getattr(second, other), getattr(served, other))
    assert served_by(options) == second.certificate.read_bytes()


@pytest.mark.parametrize("harm", ["empty", "gone", "garbage"])
def test_while_the_files_cannot_be_read_the_old_one_is_served(served: Certificates, harm: str) -> None:
    options = server_options(served.certificate, served.key)
    before = served_by(options)

    if harm == "gone":
        served.certificate.unlink()
    else:
        served.certificate.write_bytes(b"" if harm == "empty" else b"-----BEGIN CERTIFICATE-----\nAAAA\n")
        os.utime(served.certificate, (1, 1))

    assert served_by(options) == before


def test_an_open_connection_outlives_a_renewal(served: Certificates, second: Certificates) -> None:
    options = server_options(served.certificate, served.key)
    server = connection(options)
    client = shake(server, client_context())

    put(second.certificate, served.certificate)
    put(second.key, served.key)
    served_by(options)
    client.send(b"still here")
    pump(client, server)

    assert server.recv(100) == b"still here"


@pytest.mark.parametrize("maximum", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION])
def test_given_an_older_tls_when_a_client_comes_then_it_is_refused(first: Certificates, maximum: int) -> None:
    context = client_context(minimum=SSL.TLS1_VERSION, maximum=maximum)

    with pytest.raises(SSL.Error) as refused:
        shake(connection(server_options(first.certificate, first.key)), context)

    assert "unsupported protocol" in str(refused.value)


@pytest.mark.parametrize(
    "ciphers",
    [
        b"AES128-SHA",
        b"AES128-GCM-SHA256",
        b"ECDHE-ECDSA-AES128-SHA",
        b"ECDHE-ECDSA-AES256-SHA384",
        b"aNULL",
        b"DHE-RSA-AES128-GCM-SHA256",
    ],
)
def test_given_weak_ciphers_when_a_client_comes_then_it_is_refused(first: Certificates, ciphers: bytes) -> None:
    context = client_context(maximum=SSL.TLS1_2_VERSION, ciphers=ciphers + b":@SECLEVEL=0")

    with pytest.raises(SSL.Error) as refused:
        shake(connection(server_options(first.certificate, first.key)), context)

    assert "no shared cipher" in str(refused.value)


@pytest.mark.parametrize(("maximum", "version"), [(SSL.TLS1_2_VERSION, "TLSv1.2"), (SSL.TLS1_3_VERSION, "TLSv1.3")])
def test_modern_clients_are_welcome(first: Certificates, maximum: int, version: str) -> None:
    client = shake(connection(server_options(first.certificate, first.key)), client_context(maximum=maximum))

    assert client.get_protocol_version_name() == version
    assert "GCM" in str(client.get_cipher_name()) or "CHACHA20" in str(client.get_cipher_name())


def test_given_files_that_do_not_match_when_a_listener_starts_then_it_does_not(
    first: Certificates, second: Certificates
) -> None:
    with pytest.raises(SSL.Error):
        server_options(first.certificate, second.key)
    with pytest.raises(OSError, match="absent"):
        server_options(first.certificate.with_name("absent.pem"), first.key)


class Greeting(Protocol):
    """Says hello, remembers what it heard and how it ended."""

    heard = b""
    end = ""

    def connectionMade(self) -> None:
        """Say hello."""
        assert self.transport is not None
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        """Remember."""
        self.heard += data

    def connectionLost(self, reason: Any = None) -> None:
        """Remember."""
        self.end = repr(reason)


class Side(Factory):
    """Makes one greeting and keeps it."""

    def __init__(self) -> None:
        """Make it."""
        self.greeting = Greeting()

    def buildProtocol(self, addr: Any) -> Greeting:
        """The one."""
        return self.greeting


def meet(server: Certificates, host: str, ca: Path) -> tuple[Greeting, Greeting]:
    """A server with the certificate of `server`, and a client that looks for `host` vouched for by `ca`."""
    there, here, clock = Side(), Side(), Clock()
    options = server_options(server.certificate, server.key)
    at_server = TLSMemoryBIOFactory(options, False, there, clock).buildProtocol(None)
    at_client = TLSMemoryBIOFactory(client_options(host, ca), True, here, clock).buildProtocol(None)
    wire: Any = iosim.connect(
        at_server,
        iosim.FakeTransport(at_server, isServer=True),
        at_client,
        iosim.FakeTransport(at_client, isServer=False),
    )
    for _ in range(5):
        wire.flush()
        clock.advance(0.01)
    return there.greeting, here.greeting


def test_a_client_talks_to_the_host_that_its_authority_vouches_for(first: Certificates) -> None:
    server, client = meet(first, "localhost", first.ca)

    assert server.heard == client.heard == b"hello"


def test_given_more_than_one_authority_in_the_file_when_a_client_connects_then_each_is_trusted(
    first: Certificates, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"# two\n" + first.certificate.read_bytes() + b"\n" + first.ca.read_bytes())

    assert meet(first, "localhost", both)[1].heard == b"hello"


def test_given_another_authority_when_a_client_connects_then_it_says_nothing(
    first: Certificates, second: Certificates
) -> None:
    server, client = meet(first, "localhost", second.ca)

    assert server.heard == client.heard == b""
    assert "certificate verify failed" in client.end


def test_given_another_host_when_a_client_connects_then_it_says_nothing(first: Certificates) -> None:
    server, client = meet(first, "other.example.com", first.ca)

    assert server.heard == client.heard == b""
    assert "VerificationError" in client.end
