"""The two CAs of a running platform, from one to the next: that of its listeners, and that of data backends' logins.

The launcher issues the certificates of listeners, the provisioner those of logins; both look at the keys by themselves.
Nobody is cut: what is connected stays, and whoever connects trusts both until nothing of the old one is left.
"""

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from deploy.local.authority import NAME, AuthorityError, load_authority, pem_of
from deploy.local.bootstrap import answers, connect
from deploy.local.errors import PlatformError
from deploy.local.files import account_of, write_atomically
from deploy.local.preparation import BACKEND_LOGIN_CA, LISTENERS
from deploy.local.processes import DATABASE_NAME
from deploy.local.readiness import is_live
from deploy.local.running import RunningPlatform
from deploy.local.succession import (
    Stage,
    have_next_sign,
    have_next_trusted,
    have_signing_alone_trusted,
    stage_of,
)

# Two thirds of the life of each are over: from then on fleetdb has a new one made, and has the old one until then.
_AGED: Final = b"UPDATE fleetdb.backend_login SET starts_at = LEAST(starts_at, now() - 2 * (ends_at - now()))"
_FORGOTTEN: Final = "DELETE FROM fleetdb.backend_login WHERE (backend_key, epoch, certificate) = (%s, %s, %s)"
# What fleetdb's own connections to data backends showed; people's by SQL are certified each time they come.
_SHOWN: Final = (
    "SELECT issuer_dn FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
    " WHERE application_name = 'fleetdb' AND issuer_dn IS NOT NULL"
)


@frozen
class AuthorityRotation:
    """The stages, each of which may be repeated; what was cut off is carried on by that."""

    platform: RunningPlatform
    now: dt.datetime

    def trust(self) -> None:
        """Have the next CAs trusted besides those that sign."""
        for folder, name in self._under_way().items():
            have_next_trusted(folder, self.now, name=name)
        self._tell_database()
        self._say(f"two CAs are trusted now: hand {self.platform.state.ca_certificate} to everybody who connects")

    def issue(self) -> None:
        """Have everything signed by the next CAs.

        Raises:
            PlatformError: They are not trusted yet; or something still shows a certificate of the old one.
        """
        for folder in self._under_way():
            have_next_sign(folder)
        self._await_certificates()
        self._renew_logins()
        self._say("the new CAs sign, and every listener shows a certificate of theirs")

    def drop(self) -> None:
        """Trust the CAs that sign and no other.

        Raises:
            PlatformError: They do not sign yet; or something still shows a certificate of the old one.
        """
        folders = self._under_way()
        if any(stage_of(folder) is Stage.TRUSTED for folder in folders):
            raise AuthorityError("the new CAs sign nothing yet: `rotate ca-issue` comes first")
        self._await_certificates()
        self._forget_logins()
        for folder in folders:
            have_signing_alone_trusted(folder)
        self._tell_database()
        self._say("the old CAs are trusted no more")

    def _under_way(self) -> dict[Path, str]:
        """The folders of both CAs, with what a new one is called; where one signs already, no other one is begun."""
        state = self.platform.state
        both = {state.ca: NAME, state.backend_login_authority: BACKEND_LOGIN_CA}
        if all(stage_of(folder) is not Stage.ISSUING for folder in both):
            return both
        return {folder: name for folder, name in both.items() if stage_of(folder) is not Stage.ALONE}

    def _tell_database(self) -> None:
        """PostgreSQL, each server, knows the logins of data backends by a copy of its own."""
        state = self.platform.state
        copy, text = state.backend_login_ca_certificate, (state.backend_login_authority / "ca.pem").read_bytes()
        write_atomically(copy, text, owner=account_of(copy))
        for name in self.platform.servers():
            self.platform.reread(name)

    def _await_certificates(self) -> None:
        signing = load_authority(self.platform.state.ca).certificate
        with tempfile.NamedTemporaryFile(suffix=".pem") as alone:
            alone.write(pem_of(signing))
            alone.flush()
            if not self.platform.comes_about(lambda: not self._old_ones(signing, Path(alone.name))):
                old = ", ".join(self._old_ones(signing, Path(alone.name)))
                raise PlatformError(f"still with a certificate of the old CA: {old}; see `status`, and repeat")

    def _old_ones(self, signing: x509.Certificate, alone: Path) -> list[str]:
        """What the CA `signing`, which is in the file `alone`, did not certify: files first, then what is shown."""
        tls, ports = self.platform.state.tls, self.platform.ports
        servers = self.platform.servers(alone)
        listeners = dict.fromkeys((*LISTENERS, *ports.more_routers, *servers))
        files = [name for name in listeners if not _is_of(tls / f"{name}.pem", signing)]
        if files:
            return files
        shown = [name for name, port in ports.operations.items() if not is_live(port, alone)]
        return [*(name for name, server in servers.items() if not answers(server)), *shown]

    def _renew_logins(self) -> None:
        """Have fleetdb ask for new certificates where it has some of another CA than the one that signs."""
        with connect(self.platform.server(), DATABASE_NAME) as connection:
            if not self._old_logins(connection):
                return
            connection.execute(_AGED)
        self.platform.restart("fleetdb")

    def _forget_logins(self) -> None:
        """Those that nobody has used since the new CA signs: what is used has been renewed.

        Raises:
            PlatformError: Something is in use that has not been.
        """
        if not self.platform.comes_about(self._are_logins_new):
            raise PlatformError("fleetdb is still connected by certificates of the old CA: repeat `rotate ca-issue`")
        with connect(self.platform.server(), DATABASE_NAME) as connection:
            for row in self._old_logins(connection):
                connection.execute(_FORGOTTEN, row)

    def _are_logins_new(self) -> bool:
        signing = load_authority(self.platform.state.backend_login_authority).certificate
        shown: set[str] = set()
        for server in self.platform.servers().values():
            with connect(server, "postgres") as connection:
                shown |= {row[0] for row in connection.execute(_SHOWN).fetchall()}
        return shown <= {"/" + signing.subject.rfc4514_string()}

    def _old_logins(self, connection: psycopg.Connection[Any]) -> list[tuple[int, int, str]]:
        signing = load_authority(self.platform.state.backend_login_authority).certificate
        rows = connection.execute("SELECT backend_key, epoch, certificate FROM fleetdb.backend_login").fetchall()
        return [row for row in rows if not _is_by(x509.load_pem_x509_certificate(row[2].encode()), signing)]

    def _say(self, text: str) -> None:
        self.platform.around.say(text)


def _is_of(file: Path, authority: x509.Certificate) -> bool:
    try:
        return _is_by(x509.load_pem_x509_certificate(file.read_bytes()), authority)
    except (OSError, ValueError):
        return False


def _is_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether `authority` signed `certificate`."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
