"""The parts of devices, put together in the one order that fits; the tests put the same ones together."""

from collections.abc import Callable
from uuid import uuid4

from attrs import frozen

from services.devices.agent_calls import AgentCalls
from services.devices.alert_delivery import AlertDelivery, AlertMail
from services.devices.alert_feed import AlertFeed
from services.devices.alert_records import WebhookSettings
from services.devices.alerting import Alerting
from services.devices.app_delivery import AppDelivery
from services.devices.app_sessions import AppSessions
from services.devices.app_states import AppStates
from services.devices.environments import Environments
from services.devices.feed import Feed
from services.devices.group_applying import GroupApplying
from services.devices.installs import Installs
from services.devices.intents import Intents
from services.devices.lifecycle import Lifecycle
from services.devices.locking import Locking
from services.devices.log_streams import LogStreams
from services.devices.moving import Moving
from services.devices.operating import Operating
from services.devices.presence import Presence
from services.devices.projects import Credentials, Projects
from services.devices.reaching import Reaching
from services.devices.records import FlockSettings
from services.devices.rollout_driving import RolloutDriving
from services.devices.rollout_turns import Turns
from services.devices.rollout_watching import RolloutWatching
from services.devices.rollouts import Rollouts
from services.devices.rotating import Rotating
from services.devices.telling import Outbox
from services.devices.terminals import Terminals
from services.devices.watching import Watching
from shared.bus import Bus
from shared.database import Database
from shared.keyring import DataKeys
from shared.rights.decision_point import Rights


@frozen
class Parts:
    """What procedures work with; `flock` is what the installation writes into device files."""

    bus: Bus
    database: Database
    rights: Rights
    flock: FlockSettings
    feed: Feed
    presence: Presence
    credentials: Credentials
    projects: Projects
    reaching: Reaching
    telling: Outbox
    lifecycle: Lifecycle
    moving: Moving
    watching: Watching
    locking: Locking
    app_sessions: AppSessions
    installs: Installs
    app_delivery: AppDelivery
    app_states: AppStates
    environments: Environments
    agents: AgentCalls
    intents: Intents
    rotating: Rotating
    operating: Operating
    log_streams: LogStreams
    rollouts: Rollouts
    rollout_driving: RolloutDriving
    rollout_watching: RolloutWatching
    group_applying: GroupApplying
    alerting: Alerting
    alert_feed: AlertFeed
    alert_mail: AlertMail
    alert_delivery: AlertDelivery
    terminals: Terminals


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
    alerting, alert_mail = Alerting(database, rights.now), AlertMail(bus, rights)
    process = uuid4()
    environments = Environments(keyring)
    feed, credentials, projects = Feed(bus), Credentials(bus), Projects(bus)
    app_sessions = AppSessions(bus, database)
    presence = Presence(bus, database, feed, rights, app_sessions)
    reaching = Reaching(database, projects, rights)
    telling = Outbox(bus, database, jitter)
    installs, agents = Installs(bus, database, app_sessions), AgentCalls(bus)
    app_delivery = AppDelivery(database, agents, environments, process)
    intents = Intents(database)
    operating = Operating(database, reaching, agents, intents)
    app_states = AppStates(database, app_sessions, app_delivery, environments)
    turns = Turns(bus, database, rights, installs, credentials, app_states, agents, intents)
    driving = RolloutDriving(database, turns, alerting)
    rollouts = Rollouts(database, reaching, rights, installs, driving)
    return Parts(
        bus=bus,
        database=database,
        rights=rights,
        flock=flock,
        feed=feed,
        presence=presence,
        credentials=credentials,
        projects=projects,
        reaching=reaching,
        telling=telling,
        lifecycle=Lifecycle(database, credentials, presence, feed, telling),
        moving=Moving(database, credentials, presence, feed, telling),
        watching=Watching(database, reaching, rights, feed),
        locking=Locking(bus, database, presence, rights),
        app_sessions=app_sessions,
        installs=installs,
        app_delivery=app_delivery,
        app_states=app_states,
        environments=environments,
        agents=agents,
        intents=intents,
        rotating=Rotating(database, credentials, app_states),
        operating=operating,
        log_streams=LogStreams(bus, database, rights, operating, intents),
        rollouts=rollouts,
        rollout_driving=driving,
        rollout_watching=RolloutWatching(database, rights, rollouts),
        group_applying=GroupApplying(database, rights, installs, credentials, app_states, environments),
        alerting=alerting,
        alert_feed=AlertFeed(bus, database, rights, alerting),
        alert_mail=alert_mail,
        alert_delivery=AlertDelivery(database, alerting, keyring, webhooks, alert_mail),
        terminals=Terminals(bus, database, rights, reaching, intents, process=process),
    )
