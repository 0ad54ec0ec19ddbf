"""Clusters: the PostgreSQL servers that have projects' databases, each in a region."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from attrs import frozen
from msgspec import Meta

from services.realms.records.values import Stage
from shared.clusters import NAME

Word = Annotated[str, Meta(pattern=NAME)]
"""The name of a cluster or region."""
Capacity = Annotated[int, Meta(ge=0, le=1_000_000)]


class ClusterState(StrEnum):
    """Whether new projects come to it; a draining one is to be emptied besides."""

    OPEN = "open"
    CLOSED = "closed"
    DRAINING = "draining"


@frozen
class Cluster:
    """One of them, with how many projects it has of those that it may have at most.

    `host`, `port` and `reached_at` say where the provisioner reached it last, and when; None where it never has.
    """

    cluster_key: int
    name: str
    region: str
    state: ClusterState
    capacity: int
    projects: int
    host: str | None
    port: int | None
    reached_at: datetime | None


@frozen
class AddCluster:
    """`ironflock.realms.cluster.add`."""

    name: Word
    region: Word
    capacity: Capacity


@frozen
class ClusterList:
    """What `ironflock.realms.cluster.list` answers with, in the order in which they were added."""

    clusters: list[Cluster]


@frozen
class ForgetCluster:
    """`ironflock.realms.cluster.forget`; `confirm` is its name, once more."""

    cluster: Word
    confirm: Word


@frozen
class LostBackend:
    """Where rows are lost: of which app in which project, at which stage."""

    project_key: int
    app_key: int
    stage: Stage


@frozen
class ForgottenCluster:
    """What `ironflock.realms.cluster.forget` answers with; `projects_go_to` is where its projects have new data."""

    cluster: str
    projects_go_to: str
    lost: list[LostBackend]


@frozen
class UpdateCluster:
    """`ironflock.realms.cluster.update`; what is left out stays."""

    cluster: Word
    state: ClusterState | None = None
    capacity: Capacity | None = None
