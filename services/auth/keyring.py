"""Auth's data keys; what they sealed is sealed anew by `resealing`."""

from shared.database import Database
from shared.keyring import DataKeys
from shared.secrets import MasterKeys


class Keyring(DataKeys):
    """Seals and opens auth's secrets."""

    def __init__(self, masters: MasterKeys, database: Database) -> None:
        """Hold `masters`; nothing is read yet."""
        super().__init__(masters, database, "auth")
