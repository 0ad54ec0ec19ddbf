"""A database server that is dead for good, or that nothing is on any more: it is forgotten, with what was on it.

What had its rows there has lost them. Nobody waits for that server any longer: moves to it are given up, moves from it
end, and apps that are installed go on with new, empty data backends on another one.
"""

from typing import Final

from services.realms.backends import ALIVE_WITHIN_S, Backends
from services.realms.drafts import draft
from services.realms.moving import REACHED_WITHIN_S
from services.realms.placing import NO_CLUSTER
from services.realms.records.backends import JobKind, KnownBackend
from services.realms.records.clusters import Cluster, ForgetCluster, ForgottenCluster, LostBackend
from services.realms.retaining import abandon_in_txn
from services.realms.rules.placement import heir
from services.realms.store import backends, clusters, moves, provisioning
from shared import audit
from shared.clusters import FIRST
from shared.database import Connection, Database
from shared.errors import ConflictError, NotFoundError
from shared.identities import Person

IS_FIRST: Final = "the control database is on the first database server: it cannot be forgotten"
ALIVE: Final = (
    "that database server is there, and data of projects are on it: `placement cluster drain` moves them away"
)
UNWATCHED: Final = (
    "the provisioner is not at work, so that nobody knows whether that database server is dead: have it run first"
)
UNCONFIRMED: Final = "confirm with the name of the database server that is to be forgotten"
FORGOTTEN: Final = "the database server was forgotten"


class Forgetting:
    """Forgets database servers."""

    def __init__(self, database: Database, provided: Backends) -> None:
        """Forget them in `database`; `provided` has made anew what apps lack then."""
        self._database = database
        self._provided = provided

    async def cluster_forget(self, person: Person, asked: ForgetCluster) -> ForgottenCluster:
        """The server is known no more; what is said to be lost is gone but for backups.

        Raises:
            NotFoundError: There is none of that name.
            ConflictError: It is the first, it has data and is there or nobody looks, or its name was not confirmed.
        """
        if asked.confirm != asked.cluster:
            raise ConflictError(UNCONFIRMED)
        if asked.cluster == FIRST:
            raise ConflictError(IS_FIRST)
        async with self._database.transaction() as connection:
            found = await self._forget_in_txn(connection, person, asked.cluster)
        await self._provided.hurry()
        return found

    async def _forget_in_txn(self, connection: Connection, person: Person, name: str) -> ForgottenCluster:
        await clusters.cluster_lock_in_txn(connection)
        cluster = await clusters.cluster_find(connection, name)
        if cluster is None:
            raise NotFoundError(NO_CLUSTER)
        left = heir(await clusters.cluster_list(connection), cluster)
        await clusters.cluster_set_forgotten(connection, cluster.cluster_key, left.cluster_key)
        lost = await backends.backend_list_on(connection, cluster.cluster_key)
        if lost or await moves.cluster_has_moves(connection, cluster.cluster_key):
            await _check_dead(connection, cluster.cluster_key)
        await _end_moves(connection, cluster.cluster_key)
        for backend in lost:
            await backends.backend_drop(connection, backend.backend_key)
            await abandon_in_txn(connection, backend)
            await audit.record(connection, _lost(person, cluster, backend))
        await provisioning.job_delete_on(connection, cluster.cluster_key)
        await audit.record(connection, _forgotten(person, cluster, left, len(lost)))
        return ForgottenCluster(
            name, left.name, [LostBackend(each.project_key, each.app_key, each.stage) for each in lost]
        )


async def _check_dead(connection: Connection, cluster_key: int) -> None:
    """Let pass a server that a provisioner at work cannot reach: one that is stopped reaches none."""
    if cluster_key in await clusters.cluster_list_reached(connection, REACHED_WITHIN_S):
        raise ConflictError(ALIVE)
    if not await provisioning.provisioner_is_alive(connection, ALIVE_WITHIN_S):
        raise ConflictError(UNWATCHED)


async def _end_moves(connection: Connection, cluster_key: int) -> None:
    """Nothing comes there or is still to be removed there; what was half carried away from there goes."""
    for backend_key, to_key in await moves.cluster_end_moves(connection, cluster_key, FORGOTTEN):
        await provisioning.job_insert(connection, JobKind.LEAVE, backend_key, cluster_key=to_key)


def _lost(person: Person, cluster: Cluster, backend: KnownBackend) -> audit.Draft:
    return draft(
        person,
        audit.Action.BACKEND_LOST,
        audit.Asset("data_backend", backend.backend_key),
        project_key=backend.project_key,
        before={"cluster": cluster.name, "app_key": backend.app_key, "stage": backend.stage.value},
    )


def _forgotten(person: Person, cluster: Cluster, left: Cluster, lost: int) -> audit.Draft:
    return draft(
        person,
        audit.Action.CLUSTER_FORGOTTEN,
        audit.Asset("cluster", cluster.cluster_key),
        before={"name": cluster.name, "region": cluster.region, "projects": cluster.projects},
        after={"lost_backends": lost, "projects_go_to": left.name},
    )
