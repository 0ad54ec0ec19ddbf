"""Second factors: time-based codes, recovery codes, passkeys."""

from datetime import datetime
from typing import Annotated, Final

from attrs import field, frozen
from msgspec import Meta

PENDING_LIFE_S: Final = 600
RECOVERY_CODES: Final = 10
CredentialId = Annotated[str, Meta(max_length=1400)]
Label = Annotated[str, Meta(max_length=100)]


@frozen
class Totp:
    """A person's time-based codes: the sealed secret in use, and one that waits for its first code."""

    account_key: int
    sealed: bytes | None = field(repr=False)
    last_step: int
    pending_sealed: bytes | None = field(repr=False)


@frozen
class TotpOffer:
    """A secret that waits for its first code: as a key URI, as text to type, and as a QR code (SVG)."""

    uri: str = field(repr=False)
    secret: str = field(repr=False)
    qr_svg: str = field(repr=False)


@frozen
class Passkey:
    """A passkey as it is stored (WebAuthn level 3)."""

    credential_id: bytes
    account_key: int
    public_key: bytes = field(repr=False)
    sign_count: int
    name: str
    transports: list[str]
    is_backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


@frozen
class PasskeyView:
    """A passkey as its person sees it; `passkey` names it (base64url)."""

    passkey: str
    name: str
    is_backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


@frozen
class PasskeyChallenge:
    """What the browser is asked: `token` goes on with its answer, `options` is JSON for `navigator.credentials`."""

    token: str = field(repr=False)
    options: str


@frozen
class FactorOverview:
    """`ironflock.auth.factor.list`: which second factors the caller has."""

    has_totp: bool
    recovery_codes_left: int
    passkeys: list[PasskeyView]

    @property
    def has_any(self) -> bool:
        """Whether a sign-in by password needs a second factor."""
        return self.has_totp or bool(self.passkeys)


@frozen
class NamePasskey:
    """`ironflock.auth.passkey.remove`."""

    passkey: CredentialId


@frozen
class RenamePasskey:
    """`ironflock.auth.passkey.rename`."""

    passkey: CredentialId
    name: Label


@frozen
class RecoveryCodes:
    """`ironflock.auth.recovery_codes.renew`: shown this once; the ones before open nothing any more."""

    codes: list[str] = field(repr=False)
