"""Where a page leads to once it is done: to one of our own pages that expects it, never elsewhere (CWE-601). Pure."""

from typing import Final

HOME: Final = "/account"
MAX_LENGTH: Final = 8_192
PLACES: Final = ("/account", "/device", "/oauth/authorize", "/oauth/end_session", "/consent")
PROVIDER: Final = "/oauth/"


def safe_return(text: str | None) -> str:
    """`text` if it is a path of one of `PLACES` (or below it) with its query, else the account's own page.

    Only printable ASCII without backslashes is looked at: what browsers would mend, they are not given.
    """
    if not text or len(text) > MAX_LENGTH or not text.isascii() or not text.isprintable():
        return HOME
    if "\\" in text or " " in text or "#" in text:
        return HOME
    path = text.partition("?")[0]
    is_place = any(path == place or path.startswith(f"{place}/") for place in PLACES)
    is_plain = not any(part in path for part in ("//", "/.", "%"))
    return text if is_place and is_plain else HOME


def leads_to_client(return_to: str) -> bool:
    """Whether the browser is sent on to another site from there."""
    return return_to.startswith(PROVIDER)
