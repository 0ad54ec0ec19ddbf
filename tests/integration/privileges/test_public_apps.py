"""Apps in privileges: whose they are, and what everybody has on public ones; on a real database."""

from typing import Any

import pytest

from services.privileges.records.grants import GiveFlags
from services.privileges.records.history import ListChanges
from services.privileges.records.questions import Check, ListAssets
from services.privileges.records.services import ForgetDomain, PutDomain
from shared.flags import FLAGS, AssetKind
from shared.procedures import plain
from shared.rights.records import Rule, app_domain
from shared.rights.rules import OF_PUBLIC_APP
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, BERT, REALMS, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
APP = AssetKind.APP


async def put(privileges: Privileges, *, is_public: bool = False, revision: int = 1, **more: Any) -> None:
    said = {"kind": "app", "key": 4, "name": "press", "owner_account_key": 5, **more}
    request = PutDomain(**said, is_public=is_public, revision=revision)
    await privileges.services.domain_put(REALMS, request)


async def held(privileges: Privileges) -> set[str]:
    return {flag for flag in FLAGS[APP] if await privileges.has(BERT, flag, APP, 4)}


async def test_an_app_is_its_owner_s_alone(privileges: Privileges) -> None:
    await put(privileges)

    assert (await privileges.check(ANNA, "DELETE", APP, 4)).rule is Rule.OWNER
    assert await held(privileges) == set()
    await privileges.grants.grant_give(ANNA, GiveFlags("bert@plant.example", APP, 4, ["RELEASE"]))
    assert await held(privileges) == {"RELEASE"}


async def test_a_public_app_is_read_and_installed_by_everybody(privileges: Privileges) -> None:
    await put(privileges)
    before = privileges.clock.now
    privileges.clock.turn(seconds=10)

    await put(privileges, is_public=True, revision=2)

    assert await held(privileges) == OF_PUBLIC_APP
    assert (await privileges.check(BERT, "READ", APP, 4)).rule is Rule.PUBLIC_APP
    found = await privileges.questions.asset_list(BERT, ListAssets(APP, "INSTALL"))
    assert found.keys == [4]
    privileges.clock.turn(seconds=10)
    assert not (await privileges.questions.flag_check(BERT, Check(APP, 4, "READ", at=before))).allowed
    published = privileges.clock.now
    privileges.clock.turn(seconds=10)
    await put(privileges, revision=3)
    assert await held(privileges) == set()
    assert (await privileges.questions.flag_check(BERT, Check(APP, 4, "READ", at=published))).allowed


async def test_everybody_is_told_of_it_and_the_history_has_it(privileges: Privileges) -> None:
    await put(privileges)
    heard = len(privileges.news)

    for _ in range(2):
        await put(privileges, is_public=True, revision=2)
    await put(privileges, revision=3)

    told = [change for news in privileges.news[heard:] for change in news["changes"]]
    assert [(change["domain"], change["everybody"]) for change in told] == [(plain(app_domain(4)), True)] * 2
    changes = (await privileges.questions.change_list(ANNA, ListChanges(APP, 4))).changes
    assert [(each.what.value, each.is_on) for each in changes][:2] == [("public", False), ("public", True)]


async def test_a_late_word_about_an_app_changes_nothing(privileges: Privileges, postgres: Postgres) -> None:
    await put(privileges, revision=5, name="saw")

    await put(privileges, is_public=True, revision=4)

    assert await held(privileges) == set()
    assert postgres.rows("SELECT name, is_public FROM privileges.domain WHERE kind = 'app'") == [("saw", False)]


async def test_an_app_may_be_public_from_its_first_word_on(privileges: Privileges) -> None:
    await put(privileges, is_public=True)

    assert await held(privileges) == OF_PUBLIC_APP
    await privileges.services.domain_forget(REALMS, ForgetDomain("app", 4))
    await put(privileges, is_public=True, revision=9)
    assert await held(privileges) == set()


async def test_a_project_is_never_public(privileges: Privileges) -> None:
    await put(privileges, kind="project", is_public=True)

    assert not await privileges.has(BERT, "READ", AssetKind.PROJECT, 4)
