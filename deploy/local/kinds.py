"""What can be made anew: the words of `python -m deploy.local rotate` and `deploy.installation --anew`."""

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What can be made anew."""

    MASTER_KEYS = "master-keys"
    AUDIT_KEY = "audit-key"
    AUDIT_KEY_ALONE = "audit-key-alone"
    BUS_SECRETS = "bus-secrets"
    DATABASE_PASSWORDS = "database-passwords"
    SIGNING_KEYS = "signing-keys"
    CA_TRUST = "ca-trust"
    CA_ISSUE = "ca-issue"
    CA_DROP = "ca-drop"
    PERSON_KEYS = "person-keys"


CA: Final = frozenset({Kind.CA_TRUST, Kind.CA_ISSUE, Kind.CA_DROP})
"""Both authorities, from one to the next; at once where everybody who trusts them reads the file where it lies."""
ALL: Final = frozenset(Kind) - {Kind.AUDIT_KEY_ALONE} - CA
"""At once; people see to it that a new key of the audit log, or a new CA, is where it must be before it is alone."""
