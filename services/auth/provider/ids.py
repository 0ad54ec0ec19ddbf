"""New names and secrets."""

import secrets
from typing import Final

TOKEN_OCTETS: Final = 32
ID_OCTETS: Final = 16
USER_CODE_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels: no words come out (RFC 8628 section 6.1)."""
USER_CODE_LENGTH: Final = 8


def new_token() -> str:
    """A code, a refresh token or a secret: 256 random bits."""
    return secrets.token_urlsafe(TOKEN_OCTETS)


def new_family_id() -> str:
    """The name of a family of tokens."""
    return f"fam_{secrets.token_hex(ID_OCTETS)}"


def new_session_id() -> str:
    """The name of a session, as all have them."""
    return f"ses_{secrets.token_hex(ID_OCTETS)}"


def new_client_id() -> str:
    """The name of a client."""
    return f"app_{secrets.token_hex(8)}"


def new_user_code() -> str:
    """What a device shows and a person types: 34 random bits, asked for behind a sign-in and a throttle."""
    return "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(USER_CODE_LENGTH))
