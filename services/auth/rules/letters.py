"""What may have changed about an account, and what devices tell of, in the languages that people read. Pure."""

from collections.abc import Iterable
from typing import Final, Literal

from services.auth.records.alerts import AlertKind, MailedAlert
from services.auth.records.people import Locale

Change = Literal[
    "password", "totp_added", "totp_removed", "recovery_codes", "recovery_code_used", "passkey_added",
    "passkey_removed", "api_key", "address", "disabled", "upstream_linked", "upstream_unlinked",
]  # fmt: skip
CHANGES: Final[dict[Locale, dict[Change, str]]] = {
    "en": {
        "password": "the password was changed",
        "totp_added": "codes of an authenticator app were set up",
        "totp_removed": "codes of an authenticator app were removed",
        "recovery_codes": "new recovery codes were made",
        "recovery_code_used": "a recovery code was used",
        "passkey_added": "a passkey was added",
        "passkey_removed": "a passkey was removed",
        "api_key": "an API key was created",
        "address": "the address was changed",
        "disabled": "the account was disabled",
        "upstream_linked": "sign-in with another provider was linked",
        "upstream_unlinked": "sign-in with another provider was unlinked",
    },
    "de": {
        "password": "das Passwort wurde geändert",
        "totp_added": "Codes einer Authenticator-App wurden eingerichtet",
        "totp_removed": "Codes einer Authenticator-App wurden entfernt",
        "recovery_codes": "neue Wiederherstellungscodes wurden erzeugt",
        "recovery_code_used": "ein Wiederherstellungscode wurde benutzt",
        "passkey_added": "ein Passkey wurde hinzugefügt",
        "passkey_removed": "ein Passkey wurde entfernt",
        "api_key": "ein API-Schlüssel wurde erzeugt",
        "address": "die Adresse wurde geändert",
        "disabled": "das Konto wurde gesperrt",
        "upstream_linked": "die Anmeldung mit einem anderen Anbieter wurde verknüpft",
        "upstream_unlinked": "die Anmeldung mit einem anderen Anbieter wurde gelöst",
    },
}


ALERTS: Final[dict[Locale, dict[AlertKind, str]]] = {
    "en": {
        "device_offline": "the device {} is offline",
        "devices_offline": "{} devices are offline",
        "device_emergency": "the device {} runs out of storage",
        "app_failed": "the app {} has failed",
        "device_duplicated": "two devices with the identity of {} are online",
        "rollout_stopped": "the rollout {} has stopped",
    },
    "de": {
        "device_offline": "das Gerät {} ist offline",
        "devices_offline": "{} Geräte sind offline",
        "device_emergency": "dem Gerät {} geht der Speicher aus",
        "app_failed": "die App {} ist ausgefallen",
        "device_duplicated": "zwei Geräte mit der Identität von {} sind online",
        "rollout_stopped": "der Rollout {} wurde angehalten",
    },
}
OVER: Final[dict[Locale, str]] = {"en": "over", "de": "vorbei"}
MORE: Final[dict[Locale, str]] = {"en": "- and {} more", "de": "- und {} weitere"}


def alert_lines(locale: Locale, alerts: Iterable[MailedAlert], more: int) -> list[str]:
    """A line an alert, in that language; names stand on one line, whatever is in them."""
    lines = []
    for alert in alerts:
        said = ALERTS[locale][alert.kind].format(" ".join(alert.about.split()))
        over = f"{OVER[locale]}: " if alert.state == "resolved" else ""
        lines.append(f"- {over}{said} ({alert.since})")
    return [*lines, MORE[locale].format(more)] if more else lines


def pause_after(attempts: int, chance: float) -> float:
    """Seconds until a message that failed `attempts` times is tried again: doubling up to an hour, jittered.

    Args:
        chance: Of [0, 1).
    """
    return min(3_600.0, 5.0 * 2.0 ** min(attempts, 16)) * (0.5 + chance / 2)
