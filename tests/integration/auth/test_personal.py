"""Personal values of audit entries: who opens them, and what opens."""

import base64

import pytest

from services.auth import personal
from services.auth.keyring import Keyring
from services.auth.records.sealing import OpenPersonal, PersonalItem
from shared.database import Database
from shared.errors import InvalidArgumentError
from shared.identities import Person
from shared.procedures import decode
from tests.integration.auth.material import masters
from tests.integration.auth.persons import LOGIN, opened, recorded
from tests.integration.auth.surface import Procedures
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_what_does_not_belong_is_not_opened_and_keeps_nothing_else_from_being(
    procedures: Procedures, anna: Person, postgres: Postgres
) -> None:
    item = recorded(postgres, anna)
    key, octets = anna.account_key, base64.b64decode(item.sealed)
    flipped = base64.b64encode(octets[:-1] + bytes([octets[-1] ^ 1])).decode()
    cut = base64.b64encode(octets[:20]).decode()
    foreign = [
        PersonalItem(key + 1, item.sealed, item.context),
        PersonalItem(key + 1, item.sealed, f"audit/{key + 1}"),
        PersonalItem(key, item.sealed, f"auth.person_key/{key}"),
        PersonalItem(key, flipped, item.context),
        PersonalItem(key, cut, item.context),
        PersonalItem(key, "", item.context),
        PersonalItem(key, "no base64!", item.context),
        PersonalItem(key, "AQA=", item.context),
    ]

    assert await opened(procedures, *foreign, item) == [None] * len(foreign) + [LOGIN]


async def test_a_thousand_at_once_are_opened_and_more_are_refused(
    procedures: Procedures, anna: Person, postgres: Postgres
) -> None:
    item = recorded(postgres, anna)

    assert await opened(procedures, *[item] * 1_000) == [LOGIN] * 1_000

    said = {"account_key": item.account_key, "sealed": item.sealed, "context": item.context}
    assert decode(OpenPersonal, {"items": [said] * 1_000}) == OpenPersonal([item] * 1_000)
    with pytest.raises(InvalidArgumentError):
        decode(OpenPersonal, {"items": [said] * 1_001})


async def test_a_value_opens_after_a_restart(
    auth_database: Database, keyring: Keyring, anna: Person, postgres: Postgres
) -> None:
    item = recorded(postgres, anna)

    restarted = Keyring(masters("m1"), auth_database, masters("p1"))

    assert await personal.open_all(auth_database, restarted, [item]) == [LOGIN]


async def test_a_value_of_one_person_is_sealed_for_them_alone() -> None:
    person_key = personal.new_person_key()

    assert personal.seal(person_key, 1, "x") != personal.seal(person_key, 1, "x")
    assert personal.place_in_log(1) != personal.place_in_log(11)
