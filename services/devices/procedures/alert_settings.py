"""What a project is alerted of, and who is told."""

import asyncio
from typing import Any, Final

from attrs import evolve
from psycopg.errors import UniqueViolation

from services.devices.assembly import Parts
from services.devices.records.alerts import (
    AlertRule,
    Channel,
    ChannelTest,
    CreateChannel,
    CreatedChannel,
    NameChannel,
    NameProject,
    PublicChannel,
    SetAlertRule,
    SetRule,
)
from services.devices.records.devices import READ, Project
from services.devices.rules import alerts as alert_rules
from services.devices.store import alert_channels as channels
from services.devices.store import alerts as store
from services.devices.store.projects import project_upsert
from shared import audit
from shared.allowance import Allowance
from shared.database import Connection
from shared.errors import AlreadyExistsError, InvalidArgumentError, NotFoundError, OverLimitError
from shared.identities import Person
from shared.names import canonical_name, clean_name
from shared.procedures import for_people

MAX_CHANNELS: Final = 20
TESTS: Final = 10
WINDOW_S: Final = 3_600.0
NO_CHANNEL: Final = "there is no such channel, or you may not see it"
ONE_KIND: Final = "a channel is a webhook by its url, or a person by their account"
NO_READER: Final = "nobody with that account may see this project"


class AlertSettingProcedures:
    """Devices' procedures about rules and channels of alerts."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._reaching = parts.reaching
        self._projects = parts.projects
        self._alerting = parts.alerts.alerting
        self._delivery = parts.alerts.delivery
        self._mail = parts.alerts.mail
        self._allowance = Allowance(TESTS, WINDOW_S)

    @for_people("ironflock.devices.alert_rule.list", NameProject, is_reading=True, is_narrowing=True)
    async def alert_rule_list(self, person: Person, request: NameProject) -> list[AlertRule]:
        """How the project has each kind of alert (flag `READ`)."""
        project = await self._reaching.project(person, READ, request.project)
        known = await self._database.run(lambda connection: store.rule_list(connection, project.project_key))
        return [alert_rules.rule_of(kind, known) for kind in alert_rules.RULES]

    @for_people("ironflock.devices.alert_rule.set", SetAlertRule, is_narrowing=True)
    async def alert_rule_set(self, person: Person, request: SetAlertRule) -> AlertRule:
        """Another way to have one kind of alert (flag `UPDATE`); what is left out is as it comes."""
        alert_rules.check_delay(request.kind, request.after_s)
        project = await self._reaching.project(person, "UPDATE", request.project)
        owner_name = await self._projects.owner_name(project)
        rule = SetRule(request.kind, request.is_on, request.severity, request.after_s)
        async with self._database.transaction() as connection:
            await _keep(connection, project, owner_name)
            before = alert_rules.rule_of(rule.kind, await store.rule_list(connection, project.project_key))
            after = alert_rules.rule_of(rule.kind, [rule])
            await store.rule_upsert(connection, project.project_key, rule)
            draft = _draft(person, audit.Action.ALERT_RULE_SET, project.project_key, project.project_key)
            await audit.record(connection, evolve(draft, before=_told(before), after=_told(after)))
        self._alerting.look_soon()
        return after

    @for_people("ironflock.devices.alert_channel.create", CreateChannel, is_narrowing=True)
    async def alert_channel_create(self, person: Person, request: CreateChannel) -> CreatedChannel:
        """Somebody else who is told of the project's alerts (flag `UPDATE`); a webhook's secret is shown this once."""
        wanted = evolve(request, name=clean_name(request.name, what="name"))
        alert_rules.zone(wanted.time_zone)
        if (wanted.url is None) == (wanted.account is None):
            raise InvalidArgumentError(ONE_KIND, argument="url")
        if wanted.url is not None:
            alert_rules.check_url(wanted.url)
        project = await self._reaching.project(person, "UPDATE", request.project)
        if wanted.account is not None and not await self._mail.may_be_told(wanted.account, project.project_key):
            raise InvalidArgumentError(NO_READER, argument="account")
        owner_name = await self._projects.owner_name(project)
        secret, sealed = (None, None) if wanted.url is None else await self._delivery.seal()
        try:
            async with self._database.transaction() as connection:
                await _keep(connection, project, owner_name)
                if await channels.channel_count(connection, project.project_key) >= MAX_CHANNELS:
                    raise OverLimitError(f"a project can have {MAX_CHANNELS} channels at most")
                key = await channels.channel_insert(
                    connection,
                    project.project_key,
                    wanted,
                    name_canonical=canonical_name(wanted.name),
                    sealed=sealed,
                    now=self._alerting.now(),
                )
                channel = await _found(connection, key)
                draft = _draft(person, audit.Action.ALERT_CHANNEL_CREATED, key, project.project_key)
                await audit.record(connection, evolve(draft, after=_shown(channel)))
        except UniqueViolation as error:
            raise AlreadyExistsError(f"the project has a channel {wanted.name!r} already", name=wanted.name) from error
        return CreatedChannel(channel=alert_rules.public(channel), secret=secret)

    @for_people("ironflock.devices.alert_channel.list", NameProject, is_reading=True, is_narrowing=True)
    async def alert_channel_list(self, person: Person, request: NameProject) -> list[PublicChannel]:
        """Who is told of the project's alerts, and whether they take it (flag `UPDATE`: addresses can be secret)."""
        project = await self._reaching.project(person, "UPDATE", request.project)
        found = await self._database.run(lambda connection: channels.channel_list(connection, project.project_key))
        return [alert_rules.public(channel) for channel in found]

    @for_people("ironflock.devices.alert_channel.delete", NameChannel, is_narrowing=True)
    async def alert_channel_delete(self, person: Person, request: NameChannel) -> None:
        """Tell them no more (flag `UPDATE`)."""
        channel = await self._meant(person, request)
        async with self._database.transaction() as connection:
            if not await channels.channel_delete(connection, channel.channel_key):
                raise NotFoundError(NO_CHANNEL)
            draft = _draft(person, audit.Action.ALERT_CHANNEL_DELETED, channel.channel_key, channel.project_key)
            await audit.record(connection, evolve(draft, before=_shown(channel)))

    @for_people("ironflock.devices.alert_channel.test", NameChannel, is_narrowing=True)
    async def alert_channel_test(self, person: Person, request: NameChannel) -> ChannelTest:
        """Tell them now that this is a test (flag `UPDATE`); says whether it was taken, and else why not."""
        channel = await self._meant(person, request)
        if not self._allowance.take(channel.channel_key, asyncio.get_running_loop().time()):
            raise OverLimitError("this channel was tested too often; try again within the hour")
        async with self._database.transaction() as connection:
            draft = _draft(person, audit.Action.ALERT_CHANNEL_TESTED, channel.channel_key, channel.project_key)
            await audit.record(connection, draft)
        failure = await self._delivery.test(channel)
        return ChannelTest(is_delivered=failure is None, failure=failure)

    async def _meant(self, person: Person, request: NameChannel) -> Channel:
        """The channel, if the person may change its project."""
        found = await self._database.run(lambda connection: channels.channel_find(connection, request.channel))
        if found is None:
            raise NotFoundError(NO_CHANNEL)
        try:
            await self._reaching.project(person, "UPDATE", found.project_key)
        except NotFoundError as error:
            raise NotFoundError(NO_CHANNEL) from error
        return found


async def _keep(connection: Connection, project: Project, owner_name: str) -> None:
    await project_upsert(
        connection,
        project_key=project.project_key,
        name=project.name,
        owner_account_key=project.owner_account_key,
        owner_name=owner_name,
    )


async def _found(connection: Connection, channel_key: int) -> Channel:
    channel = await channels.channel_find(connection, channel_key)
    if channel is None:
        raise LookupError("what was inserted is not there")
    return channel


def _told(rule: AlertRule) -> dict[str, Any]:
    return {"kind": rule.kind, "is_on": rule.is_on, "severity": rule.severity, "after_s": rule.after_s}


def _shown(channel: Channel) -> dict[str, Any]:
    """What the log has of it: not its address, in which receivers hide secrets."""
    return {"name": channel.name, "host": alert_rules.host_of(channel.url), "account_key": channel.account_key}


def _draft(person: Person, action: audit.Action, key: int, project_key: int) -> audit.Draft:
    is_rule = action is audit.Action.ALERT_RULE_SET
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.STATE if is_rule else audit.Aspect.ACCESS,
        actor=audit.actor_of(person),
        asset=audit.Asset("project" if is_rule else "alert_channel", key),
        project_key=project_key,
        session=person.session or None,
    )
