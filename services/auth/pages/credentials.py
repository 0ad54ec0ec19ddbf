"""What a browser's authenticator answered, as the form carries it."""

import json
from typing import Any, Final

from shared.errors import FactorRejectedError

MAX_LENGTH: Final = 32_768
REJECTED: Final = "this passkey was not accepted; try again, or use another way"


def credential_of(text: str) -> dict[str, Any]:
    """The credential as JSON has it (WebAuthn level 3, section 5.1: `toJSON`).

    Raises:
        FactorRejectedError: It has not that form.
    """
    try:
        found = json.loads(text) if len(text) <= MAX_LENGTH else None
    except (ValueError, RecursionError) as error:
        raise FactorRejectedError(REJECTED) from error
    if (
        not isinstance(found, dict)
        or not isinstance(found.get("id"), str)
        or not isinstance(found.get("response"), dict)
    ):
        raise FactorRejectedError(REJECTED)
    return found
