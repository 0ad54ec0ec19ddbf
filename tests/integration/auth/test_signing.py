"""The key that signs assertions."""

import asyncio

import pytest

from services.auth.keyring import Keyring
from services.auth.signing import Signing
from shared.assertions import Assertions, arguments_hash, claims_for, sign
from shared.database import Database
from shared.identities import Person
from tests.integration.auth.material import NOW, masters
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_given_many_first_uses_at_once_when_they_are_over_then_there_is_one_key(
    auth_database: Database, keyring: Keyring, postgres: Postgres
) -> None:
    all_of_them = [Signing(auth_database, keyring, lambda: NOW) for _ in range(4)]

    keys = await asyncio.gather(*(signing.key() for signing in all_of_them))

    assert len({key.kid for key in keys}) == 1
    assert postgres.rows("SELECT count(*) FROM auth.assertion_key") == [(1,)]


async def test_what_one_process_signs_the_public_keys_of_another_verify(
    auth_database: Database, signing: Signing
) -> None:
    other = Signing(auth_database, Keyring(masters("m1"), auth_database, masters("p1")), lambda: NOW)
    person = Person(5, 0, "key-1")
    claims = claims_for(person, audience="realms", procedure="p", digest=arguments_hash({}), nonce="n", now=NOW)

    assertion = sign(claims, await signing.key())

    verifier = Assertions("realms", other.public_keys, lambda: NOW)
    assert await verifier.verify(assertion, procedure="p", arguments={}) == person


async def test_only_the_public_half_is_given_out_and_kept_in_clear(signing: Signing, postgres: Postgres) -> None:
    private = (await signing.key()).as_dict(private=True)

    public = await signing.public_keys()

    assert [set(key) & {"d"} for key in public["keys"]] == [set()]
    assert public["keys"][0]["x"] == private["x"]
    everything = str(postgres.rows("SELECT key_id, public_jwk::text, encode(sealed, 'escape') FROM auth.assertion_key"))
    assert str(private["x"]) in everything
    assert str(private["d"]) not in everything
