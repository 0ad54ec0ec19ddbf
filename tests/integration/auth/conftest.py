"""Auth's rooms on an empty database."""

import dataclasses
from collections.abc import AsyncIterator, Iterator
from functools import cache, partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
import pytest_asyncio
from argon2.profiles import RFC_9106_LOW_MEMORY
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from joserfc.jwk import KeyParameters, RSAKey
from typing_extensions import override

from services.auth import first_owner, passwords
from services.auth.erasure import Erasure
from services.auth.keyring import Keyring
from services.auth.locks import Locks
from services.auth.pages import rendering
from services.auth.pages.front import Front
from services.auth.pages.wording import every_wording
from services.auth.provider import signing_keys
from services.auth.signing import Signing
from shared.database import Database
from shared.identities import Person
from tests.harness.rights import KnownRights
from tests.integration.auth.browsers import Browser, front_on, provider_on
from tests.integration.auth.elsewhere import Elsewhere
from tests.integration.auth.material import MOMENT, NOW, OWNER_KEY, masters
from tests.integration.auth.neighbours import Neighbours
from tests.integration.auth.people import People
from tests.integration.auth.persons import LOGIN
from tests.integration.auth.relying import World
from tests.integration.auth.standin import StandIn
from tests.integration.auth.surface import Procedures
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import make_certificates
from tests.unit.shared.memory_router import new_bus

LIGHT_KEY_BITS: Final = 2048


class Compiled(BytecodeCache):
    """Templates as Jinja has compiled them, for all tests: each has a site of its own, and all have the same pages."""

    def __init__(self) -> None:
        """Nothing is compiled yet."""
        self._octets: dict[str, bytes] = {}

    @override
    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._octets:
            bucket.bytecode_from_string(self._octets[bucket.key])

    @override
    def dump_bytecode(self, bucket: Bucket) -> None:
        self._octets[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session")
def compiled() -> Compiled:
    return Compiled()


WORDINGS: Final = cache(every_wording)


@pytest.fixture(autouse=True)
def compiled_pages(compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are compiled, and their words read, by the first test that shows them."""
    monkeypatch.setattr(rendering, "Environment", partial(Environment, bytecode_cache=compiled))
    monkeypatch.setattr(rendering, "every_wording", WORDINGS)


@pytest.fixture(autouse=True)
def light_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost little: what a real one costs is measured by the bench; tests marked `real_hashes` see them."""
    if request.node.get_closest_marker("real_hashes") is None:
        light = dataclasses.replace(RFC_9106_LOW_MEMORY, time_cost=1, memory_cost=64, parallelism=1)
        monkeypatch.setattr(passwords, "RFC_9106_LOW_MEMORY", light)


@pytest.fixture(scope="session")
def keys_made_before() -> dict[str, Any]:
    """Private keys as OpenSSL has them, by their modulus."""
    return {}


@pytest.fixture(autouse=True)
def light_signing_keys(keys_made_before: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Small keys for tokens are those of the tests before, the first, the second and so on.

    To make one takes 60 ms, to read one 50 ms, since it is looked whether its factors are prime.
    """
    used = count()

    def generate_key(size: int, parameters: KeyParameters, *, private: bool) -> RSAKey:
        if size != LIGHT_KEY_BITS:
            return RSAKey.generate_key(size, parameters, private=private)
        number = next(used)
        if number == len(keys_made_before):
            made = RSAKey.generate_key(size, private=True)
            keys_made_before[str(made.as_dict(private=False)["n"])] = made.raw_value
        raw = list(keys_made_before.values())[number]
        return RSAKey(raw, raw, parameters)

    def import_key(value: dict[str, Any]) -> RSAKey:
        raw = keys_made_before.get(value["n"])
        return RSAKey.import_key(value) if raw is None else RSAKey(raw, value)

    monkeypatch.setattr(signing_keys, "RSAKey", SimpleNamespace(generate_key=generate_key, import_key=import_key))


@pytest.fixture
def keyring(auth_database: Database) -> Keyring:
    return Keyring(masters("m1"), auth_database, masters("p1"))


@pytest.fixture
def signing(auth_database: Database, keyring: Keyring) -> Signing:
    return Signing(auth_database, keyring, lambda: NOW)


@pytest.fixture
def neighbours(ca: Path) -> Neighbours:
    return Neighbours(new_bus(ca, role="svc_auth"))


@pytest.fixture
def erasure(auth_database: Database, neighbours: Neighbours) -> Erasure:
    return Erasure(neighbours.bus, auth_database)


@pytest.fixture
def rights() -> KnownRights:
    """Nobody has any flag, and no lock stands."""
    return KnownRights()


@pytest.fixture
def procedures(
    auth_database: Database, keyring: Keyring, signing: Signing, erasure: Erasure, rights: KnownRights
) -> Procedures:
    return Procedures(auth_database, keyring, signing, erasure, Locks(rights), now=lambda: NOW)


@pytest_asyncio.fixture
async def anna(auth_database: Database, keyring: Keyring, postgres: Postgres, neighbours: Neighbours) -> Person:
    """The first owner, while auth is on the bus."""
    assert await first_owner.ensure(auth_database, keyring, LOGIN, OWNER_KEY, now=MOMENT) == ""
    await neighbours.join()
    return Person(int(postgres.rows("SELECT account_key FROM auth.account")[0][0]), 11, "key-1")


@pytest_asyncio.fixture
async def people(
    auth_database: Database, keyring: Keyring, postgres: Postgres, rights: KnownRights
) -> AsyncIterator[People]:
    """Everything by which people sign in."""
    await keyring.load()
    people = People(auth_database, keyring, postgres, rights, now=NOW)
    yield people
    people.passwords.close()


@pytest_asyncio.fixture
async def front(people: People, erasure: Erasure, neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch) -> Front:
    """The front of the site, while auth is on the bus."""
    await neighbours.join()
    monkeypatch.setattr(signing_keys, "SIGNING_KEY_BITS", LIGHT_KEY_BITS)
    await provider_on(people).keys.rotate()
    return front_on(people, erasure)


@pytest.fixture
def browser(front: Front) -> Browser:
    """One browser before it."""
    return Browser(front)


@pytest_asyncio.fixture
async def world(people: People, erasure: Erasure, monkeypatch: pytest.MonkeyPatch) -> World:
    """The OpenID provider, its site and a browser."""
    monkeypatch.setattr(signing_keys, "SIGNING_KEY_BITS", LIGHT_KEY_BITS)
    world = World(people, erasure)
    await world.provider.keys.rotate()
    return world


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[StandIn]:
    """Another OpenID provider."""
    with StandIn(make_certificates(tmp_path), lambda: NOW) as standin:
        yield standin


@pytest_asyncio.fixture
async def elsewhere(people: People, erasure: Erasure, neighbours: Neighbours, standin: StandIn) -> Elsewhere:
    """The site, where people come by another provider."""
    await neighbours.join()
    return Elsewhere(people, erasure, standin, [standin.provider()])
