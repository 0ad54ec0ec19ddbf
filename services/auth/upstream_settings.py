"""The file of other OpenID providers: read once, refused with the place and the reason when it is not right.

TOML, a table `[[provider]]` for each; the keys are those of `records.upstream.UpstreamProvider`, but for the secret,
which lies in a file of its own (`client_secret_file`).
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from services.auth.records.upstream import SESSION_HOURS, UpstreamProvider
from shared.settings import SettingsError

MAX_PROVIDERS: Final = 20
MAX_SESSION_HOURS: Final = 720
TEXT_LENGTH: Final = 256
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")  # RFC 6749 section 3.3
_NEEDED: Final = frozenset({"name", "title", "issuer", "client_id"})
_KNOWN: Final = _NEEDED | {
    "client_secret_file", "scopes", "trusts_addresses", "satisfies_second_factor", "required_claims", "session_hours",
    "ca",
}  # fmt: skip


def read_providers(variable: str, path: Path) -> tuple[UpstreamProvider, ...]:
    """Every provider of the file `path`, which `variable` names.

    Raises:
        SettingsError: It cannot be read, or says what cannot be; the text has the provider and the key.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{variable} names {path}, which is no TOML file that can be read") from error
    entries = found.get("provider")
    if set(found) != {"provider"} or not isinstance(entries, list) or not 0 < len(entries) <= MAX_PROVIDERS:
        raise SettingsError(f"{variable}: {path} has 1 to {MAX_PROVIDERS} tables [[provider]], and nothing else")
    providers = [_provider(f"{variable}: provider {number}", each, path) for number, each in enumerate(entries, 1)]
    for what, values in (("name", [each.name for each in providers]), ("title", [each.title for each in providers])):
        if len(set(values)) != len(values):
            raise SettingsError(f"{variable}: two providers have the same {what}")
    return tuple(providers)


def _provider(where: str, entry: Any, file: Path) -> UpstreamProvider:
    if not isinstance(entry, dict):
        raise SettingsError(f"{where}: must be a table")
    for key in sorted(_NEEDED - set(entry)):
        raise SettingsError(f"{where}: {key} is missing")
    for key in sorted(set(entry) - _KNOWN):
        raise SettingsError(f"{where}: {key} is not a key of a provider")
    name = _text(where, entry, "name")
    if _NAME.fullmatch(name) is None:
        raise SettingsError(f"{where}: name must be of small letters, digits and hyphens, and begin with a letter")
    return UpstreamProvider(
        name=name,
        title=_text(where, entry, "title"),
        issuer=_issuer(where, _text(where, entry, "issuer")),
        client_id=_text(where, entry, "client_id"),
        client_secret=_secret(where, entry, file),
        scopes=_scopes(where, entry.get("scopes", ["openid", "email", "profile"])),
        trusts_addresses=_flag(where, entry, "trusts_addresses"),
        satisfies_second_factor=_flag(where, entry, "satisfies_second_factor"),
        required_claims=_claims(where, entry.get("required_claims", {})),
        session_hours=_hours(where, entry.get("session_hours", SESSION_HOURS)),
        ca=_authority(where, entry, file),
    )


def _text(where: str, entry: Mapping[str, Any], key: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not 0 < len(value.strip()) <= TEXT_LENGTH or not value.isprintable():
        raise SettingsError(f"{where}: {key} must be a text of 1 to {TEXT_LENGTH} characters")
    return value.strip()


def _issuer(where: str, text: str) -> str:
    """An https URL without query and fragment (OpenID Connect Discovery 1.0, section 3)."""
    is_plain = text.isascii() and not set(text) & set("?#@\\ ")
    try:
        parts = urlsplit(text)
        is_place = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_place = False
    if not is_place or not is_plain:
        raise SettingsError(f"{where}: issuer must be an https URL without query and fragment")
    return text


def _flag(where: str, entry: Mapping[str, Any], key: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise SettingsError(f"{where}: {key} must be true or false")
    return value


def _scopes(where: str, value: Any) -> tuple[str, ...]:
    are_texts = isinstance(value, list) and all(isinstance(each, str) and _SCOPE.fullmatch(each) for each in value)
    if not are_texts or "openid" not in value or len(set(value)) != len(value):
        raise SettingsError(f"{where}: scopes must be a list of scopes with openid among them")
    return tuple(value)


def _claims(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) and each for each in value.values()):
        raise SettingsError(f"{where}: required_claims must be a table of texts")
    return dict(value)


def _hours(where: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_SESSION_HOURS:
        raise SettingsError(f"{where}: session_hours must be a whole number from 1 to {MAX_SESSION_HOURS}")
    return value


def _secret(where: str, entry: Mapping[str, Any], file: Path) -> str | None:
    """The content of the file; relative names count from the folder of the providers' file."""
    if "client_secret_file" not in entry:
        return None
    path = file.parent / _text(where, entry, "client_secret_file")
    try:
        content = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{where}: client_secret_file names {path}, which cannot be read") from error
    if not content or len(content) > 4 * TEXT_LENGTH:
        raise SettingsError(f"{where}: client_secret_file names {path}, which is empty or too long")
    return content


def _authority(where: str, entry: Mapping[str, Any], file: Path) -> str | None:
    if "ca" not in entry:
        return None
    path = file.parent / _text(where, entry, "ca")
    try:
        is_pem = b"-----BEGIN CERTIFICATE-----" in path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{where}: ca names {path}, which cannot be read") from error
    if not is_pem:
        raise SettingsError(f"{where}: ca names {path}, which holds no certificate in PEM")
    return str(path)
