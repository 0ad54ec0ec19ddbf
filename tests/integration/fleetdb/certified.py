"""A small authority for the logins of data backends, which the tests' PostgreSQL trusts besides its own."""

import asyncio
import datetime as dt
from typing import Final

from attrs import define, field
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.fleetdb.records.logins import Certified
from shared.errors import UnavailableError
from tests.integration.database import Postgres

LIFE: Final = dt.timedelta(days=30)
BACKDATED: Final = dt.timedelta(days=60)
"""Tests move the clock of fleetdb, not that of PostgreSQL: what they let end must hold there."""


@define(slots=False)
class Certifier:
    """Stands for realms: certifies each key for the login that it knows of a backend and an epoch."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    logins: dict[tuple[int, int], str] = field(factory=dict)
    asked: list[tuple[int, int]] = field(factory=list)
    told: list[tuple[int, int]] = field(factory=list)
    now: dt.datetime = field(factory=lambda: dt.datetime.now(dt.UTC))  # noqa: TID251 - certificates that hold now
    is_away: bool = False

    async def certify(self, backend_key: int, epoch: int, public_key: str) -> Certified:
        """A certificate for 30 days of its clock."""
        await asyncio.sleep(0)
        self.asked.append((backend_key, epoch))
        if self.is_away:
            raise UnavailableError("realms is away")
        public = serialization.load_pem_public_key(public_key.encode())
        assert isinstance(public, ec.EllipticCurvePublicKey)
        name = self.logins[backend_key, epoch]
        return Certified(self.sign(name, public), self.now + LIFE)

    async def settled(self, backend_key: int, epoch: int) -> None:
        """Remember it."""
        self.told.append((backend_key, epoch))

    def sign(self, name: str, public_key: ec.EllipticCurvePublicKey) -> str:
        """A certificate of `name`, for clients."""
        builder = _builder(name, self.certificate.subject, public_key, self.now)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        signed = builder.add_extension(usage, critical=False).sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


def certifier() -> Certifier:
    """A new authority."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)  # noqa: TID251 - it holds now
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "data logins of a test")])
    builder = _builder("data logins of a test", name, key.public_key(), now)
    basic = x509.BasicConstraints(ca=True, path_length=0)
    return Certifier(key, builder.add_extension(basic, critical=True).sign(key, hashes.SHA256()))


def trust(server: Postgres, authority: Certifier) -> None:
    """Let the server take certificates of `authority` besides those that it takes already."""
    folder = server.folder / "state" / "postgres"
    ((trusted,),) = server.rows("SELECT current_setting('ssl_ca_file')")
    bundle, settings = folder / "test-logins.pem", folder / "postgresql.conf"
    known = "" if not trusted else _read(trusted)
    bundle.write_text(known + authority.certificate.public_bytes(serialization.Encoding.PEM).decode())
    bundle.chmod(0o644)
    settings.write_text(f"{settings.read_text()}ssl_ca_file = '{bundle}'\n")
    server.run("SELECT pg_reload_conf()")


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:  # noqa: PTH123 - as PostgreSQL names it
        return file.read()


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFE + BACKDATED)
    )
