"""All that stands before the first process starts: folders, CA, certificates, secrets, PostgreSQL's cluster."""

import base64
import datetime as dt
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from deploy.local.accounts import check_crossable, check_owner, postgres_account
from deploy.local.authority import Order, ensure_authority, hosts_of, renew
from deploy.local.bootstrap import BACKUP, SUPERUSER, WITH_PASSWORD, Server
from deploy.local.errors import PlatformError
from deploy.local.files import (
    CROSSED_FOLDER,
    PRIVATE_FOLDER,
    Account,
    ensure_folder,
    ensure_secret,
    write_atomically,
)
from deploy.local.fitting import key_files
from deploy.local.postgres import Cluster, ensure_cluster, ensure_second
from deploy.local.processes import PROVISIONER, SECOND, SECOND_POSTGRES, SERVICES
from deploy.local.settings import LocalSettings
from deploy.local.state import StateFolder
from shared.api_keys import ENTROPY_OCTETS, mint

SECRET_OCTETS: Final = 32
BACKEND_LOGIN_CA: Final = "IronFlock CA of data backends"
LISTENERS: Final = ("postgres", "router", *SERVICES)


class SecretLostError(PlatformError):
    """A secret is gone that what is stored cannot do without; the text names its file and says what to do."""


class RestoreUnfinishedError(PlatformError):
    """A restore was cut off: the text says how to go on."""


@frozen
class Second:
    """The second PostgreSQL, where there is one, and the passwords of who logs in there."""

    cluster: Cluster
    server: Server
    passwords: Mapping[str, str]


@frozen
class Prepared:
    """What the launcher starts from."""

    orders: list[Order]
    cluster: Cluster
    server: Server
    passwords: Mapping[str, str]
    second: Second | None
    made: tuple[Path, ...] = ()
    """Key files that were missing beside data and made just now: of a release that had none of them, or lost."""


def ensure_state(settings: LocalSettings, *, is_root: bool) -> Account | None:
    """Make the state folder with its folders, and return who runs PostgreSQL (`None`: we ourselves).

    Raises:
        AccountError: The folder is somebody else's, or out of reach for who runs PostgreSQL.
    """
    account = postgres_account(settings.postgres_user, is_root=is_root)
    check_owner(settings.state)
    settings.state.parent.mkdir(parents=True, exist_ok=True)
    check_crossable(settings.state, account)
    state = StateFolder(settings.state)
    # Its user must reach its data and its key; what lies beside them stays closed to it.
    crossed = PRIVATE_FOLDER if account is None else CROSSED_FOLDER
    for folder in (state.root, state.tls, state.postgres):
        ensure_folder(folder, mode=crossed)
    closed = (state.ca, state.secrets, state.bus_secrets, state.database_secrets, state.backend_login_authority)
    for folder in (*closed, state.log, state.agent_updates, state.mail, state.clusters):
        ensure_folder(folder)
    return account


def prepare(settings: LocalSettings, account: Account | None, now: dt.datetime) -> Prepared:
    """Bring everything up to date; what is there is kept.

    Raises:
        SecretLostError: A secret that belongs to data that are there is gone: a new one would not fit them.
        RestoreUnfinishedError: A restore into this folder was cut off.
    """
    state = StateFolder(settings.state)
    check_restored(state)
    check_kept_secrets(state)
    authority = ensure_authority(state.ca, now)
    orders = certificate_orders(settings, account)
    renew(authority, orders, now)
    ensure_backend_login_authority(state, account, now)
    missing = [file for file in key_files(state) if (state.postgres / "data").exists() and not file.exists()]
    passwords = ensure_secrets(state)
    cluster = ensure_cluster(settings, account, state.database_secrets / SUPERUSER)
    server = Server(settings.ports.postgres, state.ca_certificate, passwords[SUPERUSER])
    return Prepared(orders, cluster, server, passwords, _second(settings, cluster), tuple(missing))


def _second(settings: LocalSettings, first: Cluster) -> Second | None:
    state, told = StateFolder(settings.state), StateFolder(settings.state).clusters / f"{SECOND}.json"
    if not settings.has_second:
        told.unlink(missing_ok=True)
        return None
    ensure_folder(state.second_secrets)
    logins = (SUPERUSER, PROVISIONER, BACKUP)
    passwords = {login: ensure_secret(state.second_secrets / login, token) for login in logins}
    cluster = ensure_second(settings, first, state.second_secrets / SUPERUSER)
    said = {
        "host": "localhost",
        "port": settings.ports.second,
        "ca_file": str(state.ca_certificate),
        "password_file": str(state.second_secrets / PROVISIONER),
    }
    write_atomically(told, json.dumps(said).encode())
    server = Server(settings.ports.second, state.ca_certificate, passwords[SUPERUSER])
    return Second(cluster, server, passwords)


def certificate_orders(settings: LocalSettings, account: Account | None) -> list[Order]:
    """A certificate for each listener."""
    tls, hosts = StateFolder(settings.state).tls, hosts_of(settings.host)
    life = dt.timedelta(seconds=settings.certificate_life_s)
    of_tunnels = (*hosts, settings.tunnel_domain, f"*.{settings.tunnel_domain}")
    return [
        Order(
            tls / f"{name}.pem",
            tls / f"{name}.key",
            of_tunnels if name == "tunnels" else hosts,
            life,
            account if name in ("postgres", SECOND_POSTGRES) else None,
        )
        for name in (*LISTENERS, *settings.ports.more_routers, *([SECOND_POSTGRES] if settings.has_second else []))
    ]


def ensure_backend_login_authority(state: StateFolder, account: Account | None, now: dt.datetime) -> None:
    """The CA of the logins of data backends: its key for the provisioner, its certificate for PostgreSQL too."""
    ensure_authority(state.backend_login_authority, now, name=BACKEND_LOGIN_CA)
    trusted = (state.backend_login_authority / "ca.pem").read_bytes()
    write_atomically(state.backend_login_ca_certificate, trusted, owner=account)


def check_kept_secrets(state: StateFolder) -> None:
    """Refuse to go on without the secrets that the data were made with.

    Raises:
        SecretLostError: One of them is missing or empty.
    """
    data = state.postgres / "data"
    if not data.exists():
        return
    for file, use in (
        (state.master_keys, "what is stored encrypted cannot be read without it"),
        (state.database_secrets / SUPERUSER, "the database opens to nobody else"),
    ):
        if not file.exists() or not file.read_bytes().strip():
            raise SecretLostError(
                f"{file} is missing, and {use}: put it back from your backup of the state folder; it is not made anew "
                f"because {data} is there (move that away to start with an empty database)"
            )


def check_restored(state: StateFolder) -> None:
    """Refuse to make an empty installation beside half of a restored one.

    Raises:
        RestoreUnfinishedError: There is half of one.
    """
    if state.restoring.exists():
        raise RestoreUnfinishedError(f"a restore into {state.root} was cut off: repeat `flockctl restore`")


def ensure_secrets(state: StateFolder) -> dict[str, str]:
    """Make every secret that is missing and return the passwords of the database by login."""
    for service in SERVICES:
        ensure_secret(state.bus_secrets / f"svc_{service}", token)
    ensure_secret(state.master_keys, master_keys)
    ensure_secret(state.person_keys, master_keys)
    ensure_secret(state.fleetdb_master_keys, master_keys)
    ensure_secret(state.tunnels_master_keys, master_keys)
    ensure_secret(state.devices_master_keys, master_keys)
    ensure_secret(state.audit_signing_keys, signing_keys)
    ensure_secret(state.owner_api_key, api_key)
    logins = (SUPERUSER, *WITH_PASSWORD)
    return {login: ensure_secret(state.database_secrets / login, token) for login in logins}


def token() -> str:
    """A password, or the secret of a service on the bus."""
    return secrets.token_urlsafe(SECRET_OCTETS)


def new_key() -> tuple[str, bytes]:
    """The id and the octets of a master key, or of a signing key's seed."""
    return secrets.token_hex(4), secrets.token_bytes(SECRET_OCTETS)


def master_keys() -> str:
    """A file of master keys with one in it, as `shared.secrets` reads it."""
    name, key = new_key()
    return json.dumps({"active": name, "keys": {name: base64.b64encode(key).decode()}})


def signing_keys() -> str:
    """A file of the log's signing keys with one in it, as audit reads it."""
    # The seeds of Ed25519 keys (RFC 8032); two are active while one takes over from the other.
    name, seed = new_key()
    return json.dumps({"active": [name], "keys": {name: base64.b64encode(seed).decode()}})


def api_key() -> str:
    """An API key, as auth mints them."""
    return mint(secrets.token_bytes(ENTROPY_OCTETS))
