"""Fleetdb's data keys: under them lie the keys of its logins, and the secret columns of every backend."""

from shared.database import Database
from shared.keyring import DataKeys
from shared.secrets import MasterKeys


class Keyring(DataKeys):
    """Seals and opens fleetdb's secrets."""

    def __init__(self, masters: MasterKeys, database: Database) -> None:
        """Hold `masters`; nothing is read yet."""
        super().__init__(masters, database, "fleetdb")
