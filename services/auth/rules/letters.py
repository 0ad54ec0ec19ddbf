"""What may have changed about an account, in the languages that people read. Pure."""

from typing import Final, Literal

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


def pause_after(attempts: int, chance: float) -> float:
    """Seconds until a message that failed `attempts` times is tried again: doubling up to an hour, jittered.

    Args:
        chance: Of [0, 1).
    """
    return min(3_600.0, 5.0 * 2.0 ** min(attempts, 16)) * (0.5 + chance / 2)
