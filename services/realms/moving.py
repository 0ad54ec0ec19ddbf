"""Moving projects to other clusters: asked for here, made ready by the provisioner, carried out by fleetdb.

Each backend goes by itself. Until `switch` it is where it was; from then on it is on the other cluster: that is one
transaction here, and whoever was killed before or after it goes on from what stands in the tables.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog
from attrs import evolve
from psycopg.errors import UniqueViolation

from services.realms.backends import Backends
from services.realms.drafts import draft
from services.realms.placing import NO_CLUSTER
from services.realms.projects import AMBIGUOUS, NO_PROJECT
from services.realms.records.backends import BackendState, JobKind, KnownBackend
from services.realms.records.clusters import Cluster, ClusterState
from services.realms.records.moves import (
    CreateMove,
    DueMove,
    GiveUpBackend,
    Move,
    MoveState,
    Phase,
    SwitchBackend,
)
from services.realms.records.projects import Project
from services.realms.rules.placement import chosen
from services.realms.store import backends, clusters, projects, provisioning
from services.realms.store import moves as store
from shared import audit
from shared.database import Connection, Database
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError, NotSupportedError, OverLimitError
from shared.identities import Person
from shared.names import lookup_name

AT_ONCE: Final = 20
MOST: Final = 100
UNDER_WAY: Final = "the project is on its way to another database server already"
NOT_REACHED: Final = "the provisioner has not reached that database server lately"
CLOSED: Final = "that database server takes no projects: open it first"
ROTATING: Final = "a login of one of its data backends is being rotated, or one is being made: try again in a minute"
COMING: Final = "the project is being brought in: have that done first"
NO_MOVE: Final = "there is no such move"
OVER: Final = "the move is over"
HYPERTABLES: Final = (
    "tables that TimescaleDB keeps cannot be moved to or from another database server; nothing was begun"
)
ABANDONED: Final = "abandoned"
UNDER_WAY_PHASES: Final = (Phase.ASKED, Phase.PLACED)
AGAIN_S: Final = 600.0
"""So long what could not be moved stays before it is tried again."""
REACHED_WITHIN_S: Final = 120.0
"""The provisioner notes every ten seconds that it is at work on a cluster, or after the job that it is at."""

log = structlog.get_logger()


class Moving:
    """Has projects moved."""

    def __init__(self, database: Database, provided: Backends, clock: Callable[[], float]) -> None:
        """Keep moves in `database`; `provided` wakes the provisioner, `clock` counts seconds."""
        self._database = database
        self._provided = provided
        self._clock = clock
        self._refused: dict[int, float] = {}

    async def project_meant(self, wanted: int | str) -> Project:
        """The project of that key or name, whoever's it is.

        Raises:
            NotFoundError, ConflictError: There is none, or more than one of that name.
        """
        if isinstance(wanted, int):
            found = await self._database.run(lambda one: projects.project_find(one, wanted))
            several = [] if found is None else [found]
        else:
            name = lookup_name(wanted)
            several = [] if name is None else await self._database.run(lambda one: projects.project_named(one, name))
        if len(several) > 1:
            raise ConflictError(AMBIGUOUS)
        if not several:
            raise NotFoundError(NO_PROJECT)
        return several[0]

    async def move_create(self, person: Person, asked: CreateMove) -> Move:
        """Have everything of a project brought to a cluster, where it is not there already.

        Raises:
            NotFoundError: There is no such project or cluster.
            ConflictError: It is on its way or just coming, the cluster takes none or is away, or a backend is being
                worked on.
            NotSupportedError: TimescaleDB keeps tables of it.
        """
        project = await self.project_meant(asked.project)
        try:
            async with self._database.transaction() as connection:
                await clusters.cluster_lock_in_txn(connection)
                cluster = _checked(await clusters.cluster_find(connection, asked.cluster), project)
                key = await _begin_in_txn(connection, project, cluster, person.account_key)
                await audit.record(connection, _asked(audit.actor_of(person), person.session, project, cluster))
        except UniqueViolation as error:
            raise ConflictError(UNDER_WAY) from error
        await self._provided.hurry()
        return await self._shown(key)

    async def drain(self) -> None:
        """Send the next project away from each cluster that is to be emptied: to another one of its region.

        Raises:
            UnavailableError: The database is away.
        """
        for cluster in await self._database.run(clusters.cluster_list):
            if cluster.state is ClusterState.DRAINING:
                try:
                    await self._drain(cluster)
                except (ConflictError, InvalidArgumentError, NotSupportedError, OverLimitError) as error:
                    log.warning("cluster_not_drained", cluster=cluster.name, reason=error.message)

    async def _drain(self, cluster: Cluster) -> None:
        now = self._clock()
        self._refused = {key: at for key, at in self._refused.items() if at > now - AGAIN_S}
        async with self._database.transaction() as connection:
            await clusters.cluster_lock_in_txn(connection)
            key = await store.project_next_to_leave(connection, cluster.cluster_key, AGAIN_S, list(self._refused))
            project = None if key is None else await projects.project_find(connection, key)
            if project is None:
                return
            target = await _chosen_in_txn(connection, cluster)
            account_key = await clusters.cluster_drained_by(connection, cluster.cluster_key)
            try:
                await _begin_in_txn(connection, project, target, account_key)
            except (ConflictError, NotSupportedError):
                self._refused[project.project_key] = now
                raise
            actor = audit.Actor(audit.ActorKind.SERVICE, "realms", on_behalf_of=account_key)
            await audit.record(connection, _asked(actor, None, project, target))
        await self._provided.hurry()

    async def move_list(self, project_key: int | None) -> list[Move]:
        """Moves of a project, or those that are under way."""
        return await self._database.run(lambda one: store.move_list(one, project_key, MOST))

    async def move_abandon(self, person: Person, move_key: int) -> Move:
        """Leave what has not been moved yet where it is; what was moved stays where it is now.

        Raises:
            NotFoundError: There is no such move.
            ConflictError: It is over.
        """
        move = await self._database.run(lambda one: store.move_find(one, move_key))
        if move is None:
            raise NotFoundError(NO_MOVE)
        if move.state is not MoveState.MOVING:
            raise ConflictError(OVER)
        async with self._database.transaction() as connection:
            keys = [each.backend_key for each in move.backends]
            if any([await _give_up_in_txn(connection, move_key, key, ABANDONED) for key in keys]):
                await audit.record(connection, _abandoned(person, move))
        await self._provided.hurry()
        return await self._shown(move_key)

    async def due(self) -> list[DueMove]:
        """Backends whose rows are to be carried over now."""
        listed = await self._database.run(lambda one: store.backend_move_list_placed(one, AT_ONCE))
        found = []
        for placed in listed:
            backend = await self._database.run(partial(backends.backend_find_moving, backend_key=placed.backend_key))
            if backend is not None:
                found.append(DueMove(placed.move_key, backend, placed.to))
        return found

    async def switch(self, asked: SwitchBackend) -> None:
        """Every row of the backend is on the other cluster: it is there from now on.

        Raises:
            ConflictError: It is not on its way any more.
        """
        async with self._database.transaction() as connection:
            known = await backends.backend_lock_in_txn(connection, asked.backend_key)
            at = await store.backend_move_lock_in_txn(connection, asked.move_key, asked.backend_key)
            if at is not None and at.phase in (Phase.MOVED, Phase.DONE):
                return
            if at is None or known is None or at.phase is not Phase.PLACED:
                raise ConflictError(OVER)
            await store.backend_move_set_moved(
                connection,
                asked.move_key,
                asked.backend_key,
                rows_carried=asked.rows_carried,
                paused_ms=asked.paused_ms,
            )
            if known.state is BackendState.CLOSED:
                await provisioning.job_insert(connection, JobKind.CLOSE, asked.backend_key)
            else:
                await backends.backend_tell_changed(connection, known.project_key, known.app_key, known.stage)
            await provisioning.job_insert(connection, JobKind.LEAVE, asked.backend_key, cluster_key=at.from_key)
        await self._provided.hurry()

    async def give_up(self, asked: GiveUpBackend) -> None:
        """The backend stays where it is. Of no effect once it was moved."""
        async with self._database.transaction() as connection:
            await _give_up_in_txn(connection, asked.move_key, asked.backend_key, asked.problem)
        await self._provided.hurry()

    async def end_moved(self) -> None:
        """End the moves of which no backend is on its way any more.

        Raises:
            UnavailableError: The database is away.
        """
        for move in await self._database.run(lambda one: store.move_list_over(one, MOST)):
            is_done = all(each.phase is Phase.DONE for each in move.backends)
            state = MoveState.DONE if is_done else MoveState.GIVEN_UP
            async with self._database.transaction() as connection:
                if await store.move_end(connection, move.move_key, state):
                    await store.project_send_back(connection, move.move_key)
                    await audit.record(connection, _ended(move, state))

    async def _shown(self, move_key: int) -> Move:
        found = await self._database.run(lambda one: store.move_find(one, move_key))
        if found is None:
            raise NotFoundError(NO_MOVE)
        return found


def _checked(cluster: Cluster | None, project: Project) -> Cluster:
    if cluster is None:
        raise NotFoundError(NO_CLUSTER)
    if cluster.reached_at is None:
        raise ConflictError(NOT_REACHED)
    if cluster.state is not ClusterState.OPEN and cluster.name != project.cluster:
        raise ConflictError(CLOSED)
    return cluster


async def _give_up_in_txn(connection: Connection, move_key: int, backend_key: int, problem: str) -> bool:
    """The backend stays where it is; False where it was moved, or given up before."""
    known = await backends.backend_lock_in_txn(connection, backend_key)
    at = await store.backend_move_lock_in_txn(connection, move_key, backend_key)
    if at is None or known is None or at.phase not in UNDER_WAY_PHASES:
        return False
    # What was not begun there has left nothing, and a server that is away for ever keeps nobody waiting.
    is_clean = await provisioning.job_delete_unbegun(connection, JobKind.PLACE, backend_key, at.to_key)
    phase = Phase.BACK if is_clean else Phase.GIVEN_UP
    await store.backend_move_give_up(connection, move_key, backend_key, problem, phase)
    if known.state is BackendState.CLOSED:
        await provisioning.job_insert(connection, JobKind.CLOSE, backend_key)
    if not is_clean:
        await provisioning.job_insert(connection, JobKind.LEAVE, backend_key, cluster_key=at.to_key)
    return True


async def _chosen_in_txn(connection: Connection, left: Cluster) -> Cluster:
    """The cluster for a project that leaves `left`: one that is not away."""
    reached = await clusters.cluster_list_reached(connection, REACHED_WITHIN_S)
    others = [
        each if each.cluster_key in reached else evolve(each, reached_at=None)
        for each in await clusters.cluster_list(connection)
        if each != left
    ]
    return chosen(others, left.region)


async def _begin_in_txn(connection: Connection, project: Project, cluster: Cluster, account_key: int) -> int:
    """A move of all that the project has elsewhere; returns its key.

    Raises:
        psycopg.errors.UniqueViolation: The project is on its way.
        ConflictError: A backend is being worked on, the project is being brought in, or the cluster is away.
        NotSupportedError: TimescaleDB keeps tables of it.
    """
    await projects.project_lock_in_txn(connection, project.project_key)
    if await store.project_is_coming(connection, project.project_key):
        raise ConflictError(COMING)
    key = await store.move_insert(connection, project.project_key, cluster.cluster_key, account_key)
    listed = await backends.backend_list_of(connection, project.project_key)
    elsewhere = [each for each in listed if each.cluster_key != cluster.cluster_key]
    if elsewhere and cluster.cluster_key not in await clusters.cluster_list_reached(connection, REACHED_WITHIN_S):
        raise ConflictError(NOT_REACHED)
    if {cluster.cluster_key, *(each.cluster_key for each in elsewhere)} & await _with_hypertables(
        connection, elsewhere
    ):
        raise NotSupportedError(HYPERTABLES)
    for backend in elsewhere:
        await _ask_in_txn(connection, account_key, key, backend, cluster.cluster_key)
    if not elsewhere:
        await store.move_end(connection, key, MoveState.DONE)
    await projects.project_set_cluster(connection, project.project_key, cluster.cluster_key)
    return key


async def _with_hypertables(connection: Connection, elsewhere: Sequence[KnownBackend]) -> set[int]:
    """The clusters that nothing is moved from or to; of no matter where nothing is to be moved."""
    return await clusters.cluster_list_with_hypertables(connection) if elsewhere else set()


async def _ask_in_txn(connection: Connection, account: int, move_key: int, backend: KnownBackend, to_key: int) -> None:
    if backend.state is BackendState.WANTED or backend.next_login_name or backend.old_login_name:
        raise ConflictError(ROTATING)
    await store.backend_move_insert(connection, move_key, backend.backend_key, to_key)
    if backend.state is BackendState.CLOSED:  # its rows are read by its login, which was closed
        await provisioning.job_insert(
            connection, JobKind.PLACE, backend.backend_key, account_key=account, cluster_key=backend.cluster_key
        )
    await provisioning.job_insert(
        connection, JobKind.PLACE, backend.backend_key, account_key=account, cluster_key=to_key
    )


def _asked(actor: audit.Actor, session: int | None, project: Project, cluster: Cluster) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.PROJECT_MOVE_ASKED,
        aspect=audit.Aspect.STATE,
        actor=actor,
        asset=audit.Asset("project", project.project_key),
        project_key=project.project_key,
        before={"cluster": project.cluster},
        after={"cluster": cluster.name},
        session=session or None,
    )


def _abandoned(person: Person, move: Move) -> audit.Draft:
    return draft(
        person,
        audit.Action.PROJECT_MOVE_ABANDONED,
        audit.Asset("project", move.project_key),
        aspect=audit.Aspect.STATE,
        project_key=move.project_key,
        before={"cluster": move.cluster},
    )


def _ended(move: Move, state: MoveState) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.PROJECT_MOVED,
        aspect=audit.Aspect.STATE,
        actor=audit.Actor(audit.ActorKind.SERVICE, "realms"),
        asset=audit.Asset("project", move.project_key),
        project_key=move.project_key,
        after={
            "cluster": move.cluster,
            "rows": sum(each.rows_carried or 0 for each in move.backends),
            "longest_pause_ms": max((each.paused_ms or 0 for each in move.backends), default=0),
        },
        outcome=audit.Outcome.DONE if state is MoveState.DONE else audit.Outcome.FAILED,
    )
