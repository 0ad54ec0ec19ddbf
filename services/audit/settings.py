"""What audit reads from its environment, once: the common settings, the log's keys, its witnesses and forwarders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from attrs import field, frozen

from shared.database import DatabaseSettings
from shared.proxied import Proxies, read_proxies
from shared.secrets import SecretsError, parse_master_keys
from shared.service import LOCAL, BusSettings, CommonSettings, bus_settings, common_settings, service_database_settings
from shared.settings import Settings, SettingsError
from shared.tlog.errors import TlogError
from shared.tlog.note import Signer, VerifierKey, is_key_name

ORIGIN: Final = "ironflock.local/audit"
MAX_BATCH: Final = 4096
MOST_ACTIVE: Final = 2
Listed = TypeVar("Listed")


@frozen
class LogKeys:
    """The log's keys: those that sign now (two while one takes over from the other), and all that ever signed."""

    signers: tuple[Signer, ...] = field(repr=False)
    verifiers: tuple[VerifierKey, ...]


@frozen
class Witness:
    """Who cosigns our heads: `url` takes `add-checkpoint` (C2SP tlog-witness); `ca` is a PEM file or the system's."""

    url: str
    key: VerifierKey
    ca: str | None


@frozen
class Forwarder:
    """A receiver of every entry: `syslog` (host, port) or `webhook` (url, secret). `name` keeps its position."""

    name: str
    kind: str
    host: str = ""
    port: int = 6514  # RFC 5425 section 4.1
    url: str = ""
    secret: str = field(default="", repr=False)
    ca: str | None = None


@frozen
class AuditSettings:
    """Audit's settings."""

    common: CommonSettings
    bus: BusSettings
    database: DatabaseSettings
    port: int
    bind: str
    proxies: Proxies
    origin: str
    keys: LogKeys
    public_keys_file: Path
    head_file: Path
    ledger_file: Path
    batch: int
    witnesses: tuple[Witness, ...]
    forwarders: tuple[Forwarder, ...]


def read(settings: Settings) -> AuditSettings:
    """All of them.

    Raises:
        SettingsError: One is missing, malformed or unknown.
    """
    common = common_settings(settings)
    origin = settings.text("ORIGIN", ORIGIN)
    if not is_key_name(origin):
        raise SettingsError("IRONFLOCK_AUDIT_ORIGIN must be a name without blanks and plus signs")
    read_settings = AuditSettings(
        common=common,
        bus=bus_settings(settings, "audit", common.ca),
        database=service_database_settings(settings, "audit", common.ca),
        port=settings.port("PORT"),
        bind=settings.text("BIND", LOCAL),
        proxies=read_proxies(settings),
        origin=origin,
        keys=parse_keys(origin, settings.secret("SIGNING_KEYS")),
        public_keys_file=settings.path("PUBLIC_KEYS_FILE"),
        head_file=settings.path("HEAD_FILE"),
        ledger_file=settings.path("LEDGER_FILE"),
        batch=settings.integer("BATCH", 1024, minimum=1, maximum=MAX_BATCH),
        witnesses=_listed(settings, "WITNESSES_FILE", _witness),
        forwarders=_listed(settings, "FORWARDERS_FILE", _forwarder),
    )
    _names_are_unique(read_settings.forwarders)
    settings.refuse_unknown()
    return read_settings


def parse_keys(origin: str, text: str) -> LogKeys:
    """The keys in `{"active": [id, ...], "keys": {id: base64 of 32 octets}}`, in the order of `active`, then the rest.

    Raises:
        SettingsError: The text is anything else; it is never part of the message.
    """
    variable = "IRONFLOCK_AUDIT_SIGNING_KEYS_FILE"
    try:
        active = json.loads(text)["active"]
        seeds = parse_master_keys(json.dumps({"active": active[0], "keys": json.loads(text)["keys"]})).keys
        order = [*active, *(name for name in seeds if name not in active)]
        signers = [Signer.from_seed(origin, seeds[name]) for name in order]
    except (ValueError, KeyError, IndexError, TypeError, SecretsError, TlogError) as error:
        raise SettingsError(f"{variable} names a file that does not hold the log's keys") from error
    if not 1 <= len(active) <= MOST_ACTIVE:
        raise SettingsError(f"{variable}: one key signs, or two while one takes over from the other")
    return LogKeys(tuple(signers[: len(active)]), tuple(signer.verifier_key for signer in signers))


def _listed(settings: Settings, name: str, one: Callable[[dict[str, Any]], Listed]) -> tuple[Listed, ...]:
    """What stands in the optional file `name`, a JSON list of objects."""
    path = settings.text(name, "-")
    if path == "-":
        return ()
    try:
        return tuple(one(each) for each in json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, TlogError, msgspec.ValidationError) as error:
        raise SettingsError(f"IRONFLOCK_AUDIT_{name} names {path}, which does not hold what it should") from error


def _witness(entry: dict[str, Any]) -> Witness:
    return Witness(url=_https(entry["url"]), key=VerifierKey.parse(entry["vkey"]), ca=entry.get("ca_file"))


def _forwarder(entry: dict[str, Any]) -> Forwarder:
    found = msgspec.convert(entry, Forwarder, strict=True)
    if found.kind == "webhook":
        _https(found.url)
    complete = found.host if found.kind == "syslog" else found.secret if found.kind == "webhook" else ""
    if not complete or not found.name or set(entry) - {"name", "kind", "host", "port", "url", "secret", "ca"}:
        raise ValueError("a forwarder is a syslog with a host, or a webhook with a url and a secret")
    return found


def _https(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError("not an https:// URL")
    return url


def _names_are_unique(forwarders: tuple[Forwarder, ...]) -> None:
    if len({each.name for each in forwarders}) != len(forwarders):
        raise SettingsError("IRONFLOCK_AUDIT_FORWARDERS_FILE names two forwarders alike")
