"""Auth's rooms on an empty database."""

import pytest

from services.auth.keyring import Keyring
from services.auth.procedures import Procedures
from services.auth.signing import Signing
from shared.database import Database
from tests.integration.auth.material import NOW, masters


@pytest.fixture
def keyring(auth_database: Database) -> Keyring:
    return Keyring(masters("m1"), auth_database)


@pytest.fixture
def signing(auth_database: Database, keyring: Keyring) -> Signing:
    return Signing(auth_database, keyring, lambda: NOW)


@pytest.fixture
def procedures(auth_database: Database, keyring: Keyring, signing: Signing) -> Procedures:
    return Procedures(auth_database, keyring, signing, lambda: NOW)
