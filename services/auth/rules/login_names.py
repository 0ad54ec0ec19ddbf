"""Login names: a person's is their e-mail address, kept as given and unique in one canonical form. Pure."""

from typing import Final

from email_validator import EmailNotValidError, validate_email

from shared.errors import InvalidArgumentError
from shared.names import clean_name, lookup_name

LOCAL_DOMAINS: Final = frozenset({"localhost"})  # the first owner's, on one machine


def clean_address(text: str) -> str:
    """`text` as an address that messages can be sent to; no look-up is made.

    Raises:
        InvalidArgumentError: It has not the form of one (RFC 5321, RFC 6531).
    """
    address = clean_name(text, what="address")
    local, at, domain = address.rpartition("@")
    if at and domain.casefold() in LOCAL_DOMAINS:
        domain = "localhost.example"
    try:
        found = validate_email(f"{local}@{domain}", check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise InvalidArgumentError("this is no e-mail address", argument="address") from error
    return found.normalized if not found.normalized.endswith("@localhost.example") else address


def login_canonical(text: str) -> str:
    """The form by which a login name is looked up and unique; empty, as nobody is called, for what can be no name."""
    return lookup_name(text) or ""
