"""Channels are told once of what is news, when they can be, when they want to be."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from attrs import evolve

from services.devices.alerts import delivery as alert_delivery
from services.devices.alerts.delivery import MAIL
from services.devices.procedures.alert_settings import AlertSettingProcedures
from services.devices.records.alerts import CreateChannel, NameChannel, QuietTime, WebhookSettings
from shared.flags import AssetKind
from shared.identities import Person
from shared.posting import Reply, post
from shared.rights.records import Standing, project_domain
from tests.integration.audit.receivers import HttpReceiver, serving
from tests.integration.devices.alerts import Times
from tests.integration.devices.test_alerting import STOPPED, raised, resolved
from tests.integration.devices.world import ANNA, World, refusal
from tests.integration.flockctl.certificates import make_certificates

pytestmark = [pytest.mark.asyncio, pytest.mark.real]

FLAPS_AN_HOUR = 5
"""Each message about the same alert waits twice as long as the one before: at 0, 5, 15, 35 and 75 minutes."""

OTHER = "https://other.example"
COPY = (
    "INSERT INTO devices.alert_channel (project_key, name, name_canonical, url, min_severity, time_zone, quiet,"
    " secret_id, secret, created_at, due_at) SELECT %s, 'copy-' || n, 'copy-' || n, url, min_severity, time_zone,"
    " quiet, secret_id, secret, created_at, due_at FROM devices.alert_channel, generate_series(1, %s) n"
    " WHERE name = 'hook'"
)
"""A number of copies of the hook, in a project."""


class Hook:
    """A webhook of project 3, and what it got."""

    def __init__(self, world: World, times: Times, receiver: HttpReceiver, url: str) -> None:
        """It takes everything."""
        self.world = world
        self.times = times
        self.receiver = receiver
        self.url = url
        self.surface = AlertSettingProcedures(world.parts)
        self.secret = b""
        self.key = 0

    async def create(self, **more: Any) -> None:
        """The channel."""
        made = await self.surface.alert_channel_create(ANNA, CreateChannel(3, "hook", url=self.url, **more))
        self.key = made.channel.channel_key
        self.secret = base64.b64decode(made.secret.removeprefix("whsec_"))

    async def deliver(self) -> list[dict[str, Any]]:
        """Tell what is due; what the receiver got by that."""
        before = len(self.receiver.requests)
        while await self.world.parts.alerts.delivery.tell_due():
            pass
        return [json.loads(body) for _, _, body in self.receiver.requests[before:]]

    async def after(self, seconds: float) -> list[dict[str, Any]]:
        """Tell what is due after so many seconds."""
        self.times.go(seconds)
        await self.times.look()
        return await self.deliver()

    def channel(self) -> tuple[Any, ...]:
        """Attempts, whether it fails, and what it says of it."""
        return self.world.postgres.rows(
            "SELECT attempts, failing_since IS NOT NULL, failure, gave_up_at IS NOT NULL FROM devices.alert_channel"
        )[0]


@pytest_asyncio.fixture
async def hook(world: World, tmp_path: Path) -> AsyncIterator[Hook]:
    certificates, receiver = make_certificates(tmp_path), HttpReceiver()
    async with serving(certificates, receiver.answer) as port:
        world.parts.alerts.delivery._settings = WebhookSettings(str(certificates.ca), may_be_private=True)
        times = Times(world)
        yield Hook(world, times, receiver, f"https://localhost:{port}/alerts?to=me")


def states(messages: list[dict[str, Any]]) -> list[list[str]]:
    return [[alert["state"] for alert in message["data"]["alerts"]] for message in messages]


async def test_two_hundred_devices_that_go_at_once_are_one_signed_message_and_one_when_they_are_back(
    hook: Hook,
) -> None:
    keys = hook.times.devices(200)
    await hook.create()
    hook.times.set_status("DISCONNECTED", *keys)
    assert await hook.after(299) == []
    (told,) = await hook.after(2)
    assert await hook.after(60) == []

    (alert,) = told["data"]["alerts"]
    assert (told["type"], told["data"]["project_key"], told["data"]["more"]) == ("alerts", 3, 0)
    assert (alert["kind"], alert["state"], alert["details"]["devices"]) == ("devices_offline", "open", 200)
    head, headers, body = hook.receiver.requests[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(hook.secret, signed, sha256)).decode()
    assert head == "POST /alerts?to=me HTTP/1.1"
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert int(headers["webhook-timestamp"]) == int(hook.times.moment.timestamp()) - 60

    hook.times.set_status("CONNECTED", *keys)
    assert await hook.after(1) == []
    assert states(await hook.after(300)) == [["resolved"]]
    assert await hook.after(3_600) == []


@pytest.mark.parametrize(("period_s", "turns"), [(10, 60), (90, 40), pytest.param(10, 360, marks=pytest.mark.soak)])
async def test_a_device_that_flaps_is_told_of_a_few_times_an_hour(hook: Hook, period_s: int, turns: int) -> None:
    """A device in need every other time that it speaks: nothing is waited for before it is told."""
    (key,) = hook.times.devices(1)
    await hook.create()
    messages = []
    for turn in range(turns):
        hook.times.set_status("CONNECTED" if turn % 2 else "EMERGENCY", key)
        messages += await hook.after(period_s)

    assert 1 <= len(messages) <= FLAPS_AN_HOUR
    hook.times.set_status("CONNECTED", key)
    rest = [message for _ in range(13) for message in await hook.after(600)]
    said = [state for states_said in states([*messages, *rest]) for state in states_said]
    assert said[-1] == "resolved"


async def test_a_receiver_that_is_down_for_an_hour_is_told_once_when_it_is_back(hook: Hook) -> None:
    (key,) = hook.times.devices(1)
    await hook.create()
    hook.receiver.answer_of = lambda _: (503, b"")
    hook.times.set_status("DISCONNECTED", key)
    tried = await hook.after(301)
    for _ in range(120):
        tried += await hook.after(30)
    assert 5 < len(tried) < 30
    assert hook.channel()[:3] == (len(tried), True, "the receiver answered 503")
    assert len({headers["webhook-id"] for _, headers, _ in hook.receiver.requests}) == 1

    hook.receiver.answer_of = lambda _: (204, b"")
    told = [message for _ in range(20) for message in await hook.after(30)]
    assert states(told) == [["open"]]
    assert hook.channel() == (0, False, None, False)


async def test_what_came_and_went_while_a_receiver_was_down_is_no_news(hook: Hook) -> None:
    hook.times.devices(1)
    await hook.create()
    hook.receiver.answer_of = lambda _: (503, b"")
    await raised(hook.world, STOPPED)
    await hook.deliver()
    await resolved(hook.world, STOPPED)
    hook.receiver.answer_of = lambda _: (200, b"")

    assert [message for _ in range(20) for message in await hook.after(60)] == []


async def test_after_a_day_it_is_given_up_and_said_and_the_next_alert_is_tried_again(hook: Hook) -> None:
    hook.times.devices(1)
    await hook.create()
    hook.receiver.answer_of = lambda _: (500, b"")
    await raised(hook.world, STOPPED)
    await hook.deliver()
    await hook.after(86_401)
    assert hook.channel()[0::3] == (0, True)
    assert hook.channel()[2].startswith("given up after a day")
    assert await hook.after(3_600) == []

    hook.receiver.answer_of = lambda _: (200, b"")
    await raised(hook.world, evolve(STOPPED, subject="rollout/5"))
    assert states(await hook.deliver()) == [["open"]]
    assert hook.channel() == (0, False, None, False)


async def test_in_a_quiet_time_only_what_is_critical_is_told_and_the_rest_when_it_ends(hook: Hook) -> None:
    (key,) = hook.times.devices(1)
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    hook.times.moment = hook.times.moment.replace(hour=23, minute=0)
    await hook.create(quiet=[QuietTime(days, "22:00", "06:00")])  # type: ignore[arg-type]  # the days
    await raised(hook.world, STOPPED)
    assert await hook.deliver() == []
    hook.times.set_status("EMERGENCY", key)
    (grave,) = await hook.after(1)
    assert [alert["kind"] for alert in grave["data"]["alerts"]] == ["device_emergency"]

    assert await hook.after(6 * 3_600) == []
    (rest,) = await hook.after(3_600)
    assert [alert["kind"] for alert in rest["data"]["alerts"]] == ["rollout_stopped"]


async def test_what_is_acknowledged_before_it_was_told_is_told_no_more(hook: Hook) -> None:
    hook.times.devices(1)
    await hook.create()
    await raised(hook.world, STOPPED)
    async with hook.world.database.transaction() as connection:
        await hook.world.parts.alerts.alerting.set_state(connection, 1, "acknowledged", account_key=5)
        key = hook.world.postgres.rows("SELECT alert_key FROM devices.alert")[0][0]
        await hook.world.parts.alerts.alerting.set_state(connection, key, "acknowledged", account_key=5)

    assert await hook.deliver() == []


async def test_less_grave_than_a_channel_asks_for_is_not_told_to_it(hook: Hook) -> None:
    hook.times.devices(1)
    await hook.create(min_severity="critical")
    await raised(hook.world, STOPPED)

    assert await hook.deliver() == []


async def test_two_processes_tell_a_channel_once_and_a_slow_one_holds_up_nobody(hook: Hook) -> None:
    hook.times.devices(1)
    await hook.create()
    await raised(hook.world, STOPPED)
    await asyncio.gather(*(hook.world.parts.alerts.delivery.tell_due() for _ in range(4)))

    assert len(hook.receiver.requests) == 1


async def test_slow_channels_of_one_project_hold_up_no_other(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project has more slow ones than are told at a time, all of them due before the other's."""
    slow: list[str] = []
    has_begun, may_end, told = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(url: str, *_: Any, **__: Any) -> Reply:
        if url == OTHER:
            told.set()
        else:
            slow.append(url)
            has_begun.set()
            await may_end.wait()
        return Reply(204, b"")

    hook.times.devices(1)
    hook.times.devices(1, project=4)
    await hook.create()
    hook.world.postgres.run(COPY, 3, 2 * alert_delivery.AT_ONCE)
    hook.world.postgres.run(COPY, 4, 1)
    hook.world.postgres.run("UPDATE devices.alert_channel SET url = %s WHERE project_key = 4", OTHER)
    monkeypatch.setattr(alert_delivery, "post", answer)
    await raised(hook.world, STOPPED)
    telling = asyncio.create_task(hook.world.parts.alerts.delivery.tell_due())
    try:
        async with asyncio.timeout(10):
            await has_begun.wait()
            await raised(hook.world, evolve(STOPPED, project_key=4))
            hook.world.parts.alerts.alerting.wake()
            await told.wait()
        assert len(slow) == alert_delivery.OF_PROJECT_AT_ONCE
    finally:
        may_end.set()
    assert await telling == len(slow) + 1 == 2 * alert_delivery.AT_ONCE + 2


async def test_a_receiver_that_is_not_done_in_time_is_told_later(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    hook.times.devices(1)
    await hook.create()
    await raised(hook.world, STOPPED)
    with monkeypatch.context() as patched:
        patched.setattr(alert_delivery, "post", never)
        patched.setattr(alert_delivery, "SEND_WITHIN_S", 0.05)
        async with asyncio.timeout(10):
            assert await hook.deliver() == []
            refused = await hook.surface.alert_channel_test(ANNA, NameChannel(hook.key))

    assert hook.channel() == (1, True, "it took too long", False)
    assert (refused.is_delivered, refused.failure) == (False, "it took too long")
    assert states(await hook.after(10)) == [["open"]]


@pytest.mark.parametrize("others", [False, True])
async def test_a_later_outage_is_told_as_new_while_one_of_the_first_stays_away(hook: Hook, *, others: bool) -> None:
    keys = hook.times.devices(60)
    await hook.create()
    hook.times.set_status("DISCONNECTED", *keys[:30])
    assert states(await hook.after(301)) == [["open"]]
    alert = hook.world.postgres.rows("SELECT alert_key FROM devices.alert")[0][0]
    async with hook.world.database.transaction() as connection:
        await hook.world.parts.alerts.alerting.set_state(connection, alert, "acknowledged", account_key=5)
    hook.times.set_status("CONNECTED", *keys[1:30])
    assert await hook.after(60) == []

    hook.times.set_status("DISCONNECTED", *(keys[30:] if others else keys[1:30]))
    (told,) = await hook.after(301)
    (again,) = told["data"]["alerts"]
    assert (again["state"], again["details"]["devices"]) == ("open", 31 if others else 30)
    assert await hook.after(3_600) == []

    hook.times.set_status("CONNECTED", *keys)
    assert await hook.after(1) == []
    assert states(await hook.after(3_600)) == [["resolved"]]


async def test_an_outage_that_comes_while_a_channel_is_told_of_the_one_before_is_told_after_it(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = hook.times.devices(60)
    await hook.create()
    hook.times.set_status("DISCONNECTED", *keys[:30])
    hook.times.go(301)
    await hook.times.look()

    async def meanwhile(*told: Any, **more: Any) -> Reply:
        reply = await post(*told, **more)
        hook.times.set_status("DISCONNECTED", *keys[30:])
        hook.times.go(301)
        await hook.times.look()
        return reply

    with monkeypatch.context() as patched:
        patched.setattr(alert_delivery, "post", meanwhile)
        patched.setattr(alert_delivery, "LEASE_S", 3_600.0)  # the told clock goes further than sending ever takes
        await hook.world.parts.alerts.delivery.tell_due()
    (told,) = await hook.after(10)

    assert [(alert["state"], alert["details"]["devices"]) for alert in told["data"]["alerts"]] == [("open", 60)]


async def test_each_time_that_a_rollout_stops_is_told(hook: Hook) -> None:
    hook.times.devices(1)
    await hook.create()
    await raised(hook.world, STOPPED)
    assert states(await hook.deliver()) == [["open"]]
    await resolved(hook.world, STOPPED)
    await raised(hook.world, STOPPED)

    assert states(await hook.after(10)) == [["open"]]
    assert states(await hook.after(300)) == [["resolved"]]


async def test_each_test_is_a_message_of_its_own(hook: Hook) -> None:
    hook.times.devices(1)
    await hook.create()
    for _ in range(2):
        assert (await hook.surface.alert_channel_test(ANNA, NameChannel(hook.key))).is_delivered

    assert len({headers["webhook-id"] for _, headers, _ in hook.receiver.requests}) == 2


async def test_redirects_are_not_followed_and_addresses_of_this_network_are_refused(hook: Hook) -> None:
    hook.times.devices(1)
    await hook.create()
    hook.receiver.answer_of = lambda _: (302, b"")
    test = NameChannel(hook.key)
    moved = await hook.surface.alert_channel_test(ANNA, test)
    assert (moved.is_delivered, moved.failure) == (False, "the receiver answered 302")
    assert len(hook.receiver.requests) == 1

    settings = hook.world.parts.alerts.delivery._settings
    hook.world.parts.alerts.delivery._settings = evolve(settings, may_be_private=False)
    refused = await hook.surface.alert_channel_test(ANNA, test)
    assert refused.failure == "localhost: this address may not be reached from here"
    assert len(hook.receiver.requests) == 1

    hook.world.parts.alerts.delivery._settings = settings
    hook.receiver.answer_of = lambda _: (200, b"")
    assert (await hook.surface.alert_channel_test(ANNA, test)).is_delivered
    assert json.loads(hook.receiver.requests[-1][2])["type"] == "test"


async def test_a_person_is_written_to_by_auth_as_long_as_they_may_see_the_project(world: World) -> None:
    times, mails = Times(world), []
    (key,) = times.devices(1)
    reader: Person = world.member(3, AssetKind.PROJECT, 3, "READ")
    world.router.answers[MAIL] = lambda **mail: mails.append(mail)
    surface = AlertSettingProcedures(world.parts)
    await surface.alert_channel_create(ANNA, CreateChannel(3, "me", account=reader.account_key))
    times.set_status("DISCONNECTED", key)
    times.go(301)
    await times.look()
    await world.parts.alerts.delivery.tell_due()

    (mail,) = mails
    assert (mail["account_key"], mail["project_name"], mail["more"]) == (reader.account_key, "plant", 0)
    assert [(alert["kind"], alert["about"], alert["state"]) for alert in mail["alerts"]] == [
        ("device_offline", "press-1", "open")
    ]

    world.rights.hold(reader.account_key, project_domain(3), Standing(is_owner=False, is_member=True))
    await raised(world, STOPPED)
    times.go(10)
    await world.parts.alerts.delivery.tell_due()
    assert len(mails) == 1
    assert "left the project" in world.postgres.rows("SELECT failure FROM devices.alert_channel")[0][0]


async def test_given_auth_away_when_somebody_is_to_be_written_to_then_it_is_tried_again(world: World) -> None:
    times, mails = Times(world), []
    times.devices(1)

    def refuse(**_: Any) -> None:
        raise refusal("over_limit")

    world.router.answers[MAIL] = refuse
    surface = AlertSettingProcedures(world.parts)
    await surface.alert_channel_create(ANNA, CreateChannel(3, "me", account=5))
    await raised(world, STOPPED)
    await world.parts.alerts.delivery.tell_due()
    assert world.postgres.rows("SELECT attempts, failure FROM devices.alert_channel") == [(1, "auth: no")]

    world.router.answers[MAIL] = lambda **mail: mails.append(mail)
    times.go(10)
    await world.parts.alerts.delivery.tell_due()
    assert len(mails) == 1
