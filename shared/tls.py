"""TLS for every listener and every client: version 1.2 at least, ciphers with forward secrecy, peers verified.

A listener's certificate is looked at on each new connection and read anew once its file has changed, so a renewed
certificate is served without a restart. Cipher list: Mozilla's "intermediate" recommendation of 2025, ECDHE only.
"""

import ssl
from pathlib import Path
from typing import Final

from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_PEM
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    b"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
SESSION_ID: Final = b"ironflock"


@implementer(IOpenSSLServerConnectionCreator)
class ServerOptions:
    """Creates a server's TLS connections with the certificate that the files hold now."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read `certificate` (a PEM chain) and `key` (its PEM private key).

        Raises:
            OSError, SSL.Error: They cannot be read, or do not belong together.
        """
        self._certificate = certificate
        self._key = key
        self._seen = _stamp(certificate, key)
        self._context = self._load()

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N803 - the interface
        """A connection in accept state, as Twisted's `TLSMemoryBIOFactory` asks for it."""
        self._refresh()
        return SSL.Connection(self._context, None)

    def _refresh(self) -> None:
        # A renewal replaces two files, one after the other: while they do not match, the old context goes on.
        try:
            stamp = _stamp(self._certificate, self._key)
            if stamp != self._seen:
                self._context = self._load()
                self._seen = stamp
        except (OSError, SSL.Error):
            return

    def _load(self) -> SSL.Context:
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_cipher_list(CIPHERS)
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_id(SESSION_ID)
        context.use_certificate_chain_file(str(self._certificate))
        context.use_privatekey_file(str(self._key), FILETYPE_PEM)
        context.check_privatekey()
        return context


def server_options(certificate: Path, key: Path) -> ServerOptions:
    """TLS for a listener, from a PEM chain and its key; see `ServerOptions`."""
    return ServerOptions(certificate, key)


class ServerContexts:
    """TLS for a listener of asyncio, with the certificate that the files hold now."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """As `ServerOptions`."""
        self._certificate = certificate
        self._key = key
        self._seen = _stamp(certificate, key)
        self._context = self._load()

    def current(self) -> ssl.SSLContext:
        """For the next connection."""
        # As in `ServerOptions`: while the two files do not match, the old context goes on.
        try:
            stamp = _stamp(self._certificate, self._key)
            if stamp != self._seen:
                self._context = self._load()
                self._seen = stamp
        except OSError:  # ssl.SSLError is one too
            return self._context
        return self._context

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS.decode())
        context.load_cert_chain(self._certificate, self._key)
        return context


def client_options(host: str, ca: Path) -> IOpenSSLClientConnectionCreator:
    """TLS for a client that accepts `host` alone, vouched for by a certificate in the PEM file `ca`.

    Twisted's own minimum is TLS 1.2.
    """
    authorities = [Certificate.loadPEM(block) for block in _pem_blocks(ca.read_bytes())]
    return optionsForClientTLS(host, trustRoot=trustRootFromCertificates(authorities))


def client_context(ca: Path | None) -> ssl.SSLContext:
    """For clients of the standard library: peers are verified against the PEM file `ca`, or the system's own."""
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _stamp(certificate: Path, key: Path) -> tuple[int, int]:
    return certificate.stat().st_mtime_ns, key.stat().st_mtime_ns


def _pem_blocks(pem: bytes) -> list[bytes]:
    end = b"-----END CERTIFICATE-----"
    return [block + end for block in pem.split(end) if b"-----BEGIN CERTIFICATE-----" in block]
