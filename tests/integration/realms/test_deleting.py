"""The end of apps, on a real database."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from services.realms.records.apps import ListApps, NameApp, PublishApp, SetAppOwner
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError, PublicError, UnavailableError
from shared.identities import ServiceIdentity
from tests.integration.database import Postgres
from tests.integration.realms.world import ANNA, AUTH, BERT, DEVICES, Realms, refused

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def _outcome(call: Awaitable[Any]) -> str:
    try:
        await call
    except PublicError as error:
        return error.uri
    return "done"


async def test_a_deleted_app_is_gone_recorded_and_told(world: Realms, postgres: Postgres) -> None:
    key = (await world.app()).app_key
    await world.release()
    await world.apps.app_publish(ANNA, PublishApp("press", is_public=True))

    await world.apps.app_delete(ANNA, NameApp("press"))

    for wanted in ("press", key):
        for person in (ANNA, BERT):
            with pytest.raises(NotFoundError):
                await world.apps.app_show(person, NameApp(wanted))
    assert (await world.apps.app_list(BERT, ListApps())).apps == []
    assert postgres.audited()[-1] == ("app.deleted", "done")
    assert world.others.forgotten == [{"kind": "app", "key": key}]
    with pytest.raises(NotFoundError):
        await world.apps.app_delete(ANNA, NameApp(key))


async def test_it_is_told_later_where_privileges_is_away(world: Realms) -> None:
    key = (await world.app()).app_key
    world.others.is_away = True
    await world.apps.app_delete(ANNA, NameApp("press"))
    with pytest.raises(UnavailableError):
        await world.telling.keep_up()
    world.others.is_away = False

    for _ in range(2):
        await world.telling.keep_up()

    assert world.others.forgotten == [{"kind": "app", "key": key}]


async def test_what_is_installed_anywhere_stays(world: Realms, postgres: Postgres) -> None:
    await world.project()
    await world.app()
    await world.install()
    with pytest.raises(ConflictError, match="uninstalled everywhere"):
        await world.apps.app_delete(ANNA, NameApp("press"))
    await world.uninstall()

    await world.apps.app_delete(ANNA, NameApp("press"))

    assert postgres.rows("SELECT count(*) FROM realms.backend") == [(1,)]


async def test_who_deletes_it_has_the_flag(world: Realms) -> None:
    key = (await world.app()).app_key
    assert (await refused(world.apps.app_delete(BERT, NameApp("press"))))["uri"] == NotFoundError.uri
    world.give_on_app(BERT, key, "READ", "UPDATE", "RELEASE", "INSTALL", "GRANT")
    assert (await refused(world.apps.app_delete(BERT, NameApp("press"))))["uri"] == NotAuthorizedError.uri
    world.give_on_app(BERT, key, "READ", "DELETE")

    await world.apps.app_delete(BERT, NameApp("press"))


async def test_whoever_takes_its_name_inherits_nothing(world: Realms, postgres: Postgres) -> None:
    await world.project()
    await world.app("saw")
    await world.app("press")
    await world.release("press", "1.0", "saw")
    await world.install()
    await world.grant("saw")
    old = await world.apps.app_show(ANNA, NameApp("saw"))

    await world.apps.app_delete(ANNA, NameApp("saw"))

    new = await world.app("SAW", BERT)
    assert new.app_key != old.app_key
    ((asked),) = await world.asked()
    assert (asked.provider, asked.is_granted) == ("saw", False)
    assert [tag for tag, _ in postgres.audited()].count("app_access.revoked") == 1
    assert [said["is_granted"] for topic, said in world.published if topic.endswith("access.changed")] == [True, False]


async def test_deleting_and_installing_at_once_ends_with_one_of_both(world: Realms, postgres: Postgres) -> None:
    await world.project()
    for number in range(8):
        name = f"press-{number}"
        key = (await world.app(name)).app_key

        deleted, installed = await asyncio.gather(
            _outcome(world.apps.app_delete(ANNA, NameApp(name))), _outcome(world.install(app=name))
        )

        assert (deleted, installed) in (("done", NotFoundError.uri), (ConflictError.uri, "done"))
        ((is_deleted,),) = postgres.rows("SELECT is_deleted FROM realms.app WHERE app_key = %s", key)
        count = len(postgres.rows("SELECT FROM realms.install WHERE app_key = %s", key))
        assert (is_deleted, count) in ((True, 0), (False, 1))


async def test_an_app_is_shown_as_whose_it_is(world: Realms) -> None:
    key = (await world.app()).app_key
    for service in (DEVICES, AUTH):
        with pytest.raises(NotAuthorizedError):
            await world.services.app_set_owner(service, SetAppOwner(key, 6))

    for _ in range(2):
        await world.services.app_set_owner(ServiceIdentity("privileges", 1), SetAppOwner(key, 6))
    await world.services.app_set_owner(ServiceIdentity("privileges", 1), SetAppOwner(key + 1, 6))

    assert (await world.apps.app_show(ANNA, NameApp("press"))).owner_account_key == 6
