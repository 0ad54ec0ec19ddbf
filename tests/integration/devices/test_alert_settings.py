"""Rules and channels: set by who may change the project, recorded, secrets shown once."""

from typing import Any

import pytest
from attrs import evolve

from services.devices.procedures import alert_settings
from services.devices.procedures.alert_settings import AlertSettingProcedures
from services.devices.records.alerts import CreateChannel, NameChannel, NameProject, QuietTime, SetAlertRule
from shared.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
    PublicError,
)
from shared.flags import AssetKind
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]

HOOK = CreateChannel(3, "hook", url="https://hooks.example.com/s3cret/path")


@pytest.fixture(name="surface")
def fixture_surface(world: World) -> AlertSettingProcedures:
    return AlertSettingProcedures(world.parts)


async def test_a_rule_is_set_recorded_and_listed(world: World, surface: AlertSettingProcedures) -> None:
    rule = await surface.alert_rule_set(ANNA, SetAlertRule(3, "device_offline", severity="critical", after_s=60))
    listed = await surface.alert_rule_list(ANNA, NameProject(3))
    elsewhere = await surface.alert_rule_list(ANNA, NameProject(4))

    assert rule in listed
    assert (rule.is_on, rule.severity, rule.after_s) == (True, "critical", 60)
    assert len(listed) == len(elsewhere) == 6
    assert rule not in elsewhere
    rows = world.postgres.rows("SELECT action, project, before -> 'after_s', after -> 'after_s' FROM audit.queue")
    assert rows == [("alert_rule.set", 3, 300, 60)]


async def test_a_webhook_s_secret_is_shown_once_and_lies_nowhere_in_clear(
    world: World, surface: AlertSettingProcedures
) -> None:
    made = await surface.alert_channel_create(ANNA, HOOK)
    (listed,) = await surface.alert_channel_list(ANNA, NameProject(3))
    await surface.alert_channel_delete(ANNA, NameChannel(made.channel.channel_key))

    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)
    assert (listed.name, listed.url, listed.failure) == ("hook", HOOK.url, None)
    assert await surface.alert_channel_list(ANNA, NameProject(3)) == []
    assert world.postgres.audited() == [("alert_channel.created", "done"), ("alert_channel.deleted", "done")]
    text = str(world.postgres.rows("SELECT * FROM audit.queue"))
    assert "hooks.example.com" in text
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (evolve(HOOK, url="http://hooks.example.com/"), InvalidArgumentError),
        (evolve(HOOK, account=5), InvalidArgumentError),
        (evolve(HOOK, url=None), InvalidArgumentError),
        (evolve(HOOK, url=None, account=6), InvalidArgumentError),
        (evolve(HOOK, time_zone="Nowhere/Land"), InvalidArgumentError),
        (evolve(HOOK, name=" "), InvalidArgumentError),
        (evolve(HOOK, project=9), NotFoundError),
    ],
)
async def test_a_channel_that_cannot_be_is_refused_and_changes_nothing(
    world: World, surface: AlertSettingProcedures, request_: CreateChannel, refused: type[PublicError]
) -> None:
    with pytest.raises(refused):
        await surface.alert_channel_create(ANNA, request_)

    assert world.postgres.rows("SELECT 1 FROM devices.alert_channel") == []
    assert world.postgres.audited() == []


async def test_a_name_is_taken_once_and_there_are_only_so_many(
    surface: AlertSettingProcedures, monkeypatch: pytest.MonkeyPatch
) -> None:
    await surface.alert_channel_create(ANNA, HOOK)
    with pytest.raises(AlreadyExistsError):
        await surface.alert_channel_create(ANNA, evolve(HOOK, name=" HOOK "))
    monkeypatch.setattr(alert_settings, "MAX_CHANNELS", 1)
    with pytest.raises(OverLimitError):
        await surface.alert_channel_create(ANNA, evolve(HOOK, name="another"))
    await surface.alert_channel_create(
        ANNA, evolve(HOOK, project=4, quiet=[QuietTime(["sat", "sun"], "00:00", "00:00")])
    )
    (listed,) = await surface.alert_channel_list(ANNA, NameProject(4))
    assert listed.quiet == [QuietTime(["sat", "sun"], "00:00", "00:00")]


async def test_who_may_not_change_the_project_sets_nothing_and_learns_nothing(
    world: World, surface: AlertSettingProcedures
) -> None:
    channel = NameChannel((await surface.alert_channel_create(ANNA, HOOK)).channel.channel_key)
    reader = world.member(3, AssetKind.PROJECT, 3, "READ")
    asked: list[Any] = [
        (surface.alert_rule_set, SetAlertRule(3, "app_failed", is_on=False)),
        (surface.alert_channel_create, evolve(HOOK, name="mine")),
        (surface.alert_channel_list, NameProject(3)),
        (surface.alert_channel_delete, channel),
        (surface.alert_channel_test, channel),
    ]
    for procedure, request in asked:
        with pytest.raises(NotAuthorizedError):
            await procedure(reader, request)
        with pytest.raises(NotFoundError):
            await procedure(BERT, request)
    assert await surface.alert_rule_list(reader, NameProject(3))
    for procedure in (surface.alert_channel_delete, surface.alert_channel_test):
        with pytest.raises(NotFoundError):
            await procedure(ANNA, NameChannel(999_999))


async def test_a_channel_is_tested_so_often_an_hour(
    surface: AlertSettingProcedures, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = NameChannel((await surface.alert_channel_create(ANNA, HOOK)).channel.channel_key)
    monkeypatch.setattr(surface._allowance, "times", 0)

    with pytest.raises(OverLimitError):
        await surface.alert_channel_test(ANNA, channel)
