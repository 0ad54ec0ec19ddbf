"""The parts of devices, put together in the one order that fits; the tests put the same ones together."""

from collections.abc import Callable
from uuid import UUID, uuid4

from attrs import frozen

from services.devices.alerts.alerting import Alerting
from services.devices.alerts.delivery import AlertDelivery, AlertMail
from services.devices.alerts.feed import AlertFeed
from services.devices.apps.delivery import AppDelivery
from services.devices.apps.environments import Environments
from services.devices.apps.group_applying import GroupApplying
from services.devices.apps.installs import Installs
from services.devices.apps.releases import Releases
from services.devices.apps.reports import AppReports
from services.devices.apps.rotating import Rotating
from services.devices.apps.sessions import AppSessions
from services.devices.apps.states import AppStates
from services.devices.apps.tunnel_telling import TunnelTelling
from services.devices.certifying import Erasures
from services.devices.feed import Feed
from services.devices.files import Files
from services.devices.lifecycle import Lifecycle
from services.devices.locking import Locking
from services.devices.moving import Moving
from services.devices.operations.agent_calls import AgentCalls
from services.devices.operations.intents import Intents
from services.devices.operations.log_streams import LogStreams
from services.devices.operations.operating import Operating
from services.devices.presence import Presence
from services.devices.projects import Credentials, Projects
from services.devices.reaching import Reaching
from services.devices.records.alerts import WebhookSettings
from services.devices.records.devices import FlockSettings
from services.devices.rollouts.driving import RolloutDriving
from services.devices.rollouts.rollouts import Rollouts
from services.devices.rollouts.turns import Turns
from services.devices.rollouts.watching import RolloutWatching
from services.devices.telling import Outbox
from services.devices.terminals.terminals import Terminals
from services.devices.watching import Watching
from shared.bus import Bus
from shared.database import Database
from shared.keyring import DataKeys
from shared.project_cells import ProjectCells
from shared.rights.decision_point import Rights


@frozen
class Ground:
    """What every part stands on. `process` is this replica."""

    bus: Bus
    database: Database
    keyring: DataKeys
    rights: Rights
    process: UUID
    credentials: Credentials
    reaching: Reaching


@frozen
class OperationParts:
    """What people have single devices do."""

    agents: AgentCalls
    intents: Intents
    operating: Operating
    log_streams: LogStreams


@frozen
class AppParts:
    """Apps on devices."""

    sessions: AppSessions
    installs: Installs
    releases: Releases
    tunnel_telling: TunnelTelling
    delivery: AppDelivery
    states: AppStates
    reports: AppReports
    environments: Environments
    rotating: Rotating
    group_applying: GroupApplying


@frozen
class AlertParts:
    """Alerts and their ways to people."""

    alerting: Alerting
    feed: AlertFeed
    mail: AlertMail
    delivery: AlertDelivery


@frozen
class RolloutParts:
    """Changes over many devices."""

    rollouts: Rollouts
    driving: RolloutDriving
    watching: RolloutWatching


@frozen
class Parts:
    """What procedures work with; `flock` is what device files have of the installation, `files` of a cell."""

    bus: Bus
    database: Database
    rights: Rights
    flock: FlockSettings
    files: Files
    feed: Feed
    presence: Presence
    credentials: Credentials
    projects: Projects
    reaching: Reaching
    telling: Outbox
    lifecycle: Lifecycle
    erasures: Erasures
    moving: Moving
    watching: Watching
    locking: Locking
    operations: OperationParts
    apps: AppParts
    alerts: AlertParts
    rollouts: RolloutParts
    terminals: Terminals


def _operations(ground: Ground) -> OperationParts:
    agents, intents = AgentCalls(ProjectCells(ground.bus)), Intents(ground.database)
    operating = Operating(ground.database, ground.reaching, agents, intents)
    return OperationParts(
        agents=agents,
        intents=intents,
        operating=operating,
        log_streams=LogStreams(ground.bus, ground.database, ground.rights, ground.reaching, operating, intents),
    )


def _apps(ground: Ground, agents: AgentCalls) -> AppParts:
    bus, database = ground.bus, ground.database
    environments, sessions = Environments(ground.keyring), AppSessions(bus, database)
    installs = Installs(bus, database, sessions)
    releases = Releases(database, ground.rights, installs)
    delivery = AppDelivery(database, agents, environments, releases, ground.process)
    tunnel_telling = TunnelTelling(bus, database)
    states = AppStates(database, sessions, delivery, releases, tunnel_telling)
    return AppParts(
        sessions=sessions,
        installs=installs,
        releases=releases,
        tunnel_telling=tunnel_telling,
        delivery=delivery,
        states=states,
        reports=AppReports(database, delivery, environments, releases),
        environments=environments,
        rotating=Rotating(database, ground.credentials, states),
        group_applying=GroupApplying(
            database, ground.rights, installs, releases, ground.credentials, states, environments
        ),
    )


def _alerts(ground: Ground, webhooks: WebhookSettings) -> AlertParts:
    alerting, mail = Alerting(ground.database, ground.rights.now), AlertMail(ground.bus, ground.rights)
    return AlertParts(
        alerting=alerting,
        feed=AlertFeed(ground.bus, ground.database, ground.rights, alerting),
        mail=mail,
        delivery=AlertDelivery(ground.database, alerting, ground.keyring, webhooks, mail),
    )


def _rollouts(ground: Ground, apps: AppParts, operations: OperationParts, alerting: Alerting) -> RolloutParts:
    bus, database, rights = ground.bus, ground.database, ground.rights
    agents, intents = operations.agents, operations.intents
    turns = Turns(bus, database, rights, apps.installs, apps.releases, ground.credentials, apps.states, agents, intents)
    driving = RolloutDriving(database, turns, alerting)
    rollouts = Rollouts(database, ground.reaching, rights, apps.installs, apps.releases, driving)
    return RolloutParts(rollouts=rollouts, driving=driving, watching=RolloutWatching(database, rights, rollouts))


def assemble(
    bus: Bus,
    database: Database,
    keyring: DataKeys,
    rights: Rights,
    flock: FlockSettings,
    *,
    jitter: Callable[[], float],
    webhooks: WebhookSettings,
) -> Parts:
    """All of them; `jitter` gives a number from 0 to 1."""
    projects, credentials, feed = Projects(bus), Credentials(bus), Feed(bus)
    reaching = Reaching(database, projects, rights)
    ground = Ground(bus, database, keyring, rights, uuid4(), credentials, reaching)
    operations, alerts, telling = _operations(ground), _alerts(ground, webhooks), Outbox(bus, database, jitter)
    apps = _apps(ground, operations.agents)
    presence = Presence(bus, database, feed, rights, apps.sessions)
    return Parts(
        bus=bus,
        database=database,
        rights=rights,
        flock=flock,
        files=Files(ProjectCells(bus), flock),
        feed=feed,
        presence=presence,
        credentials=credentials,
        projects=projects,
        reaching=reaching,
        telling=telling,
        lifecycle=Lifecycle(database, credentials, presence, feed, telling),
        erasures=Erasures(bus, database),
        moving=Moving(database, credentials, presence, feed, telling, bus=bus),
        watching=Watching(database, reaching, rights, feed),
        locking=Locking(bus, database, presence, apps.sessions, rights),
        operations=operations,
        apps=apps,
        alerts=alerts,
        rollouts=_rollouts(ground, apps, operations, alerts.alerting),
        terminals=Terminals(bus, database, rights, reaching, operations.intents, process=ground.process),
    )
