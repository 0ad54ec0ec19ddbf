"""Projects."""

from datetime import datetime

from attrs import frozen

from services.realms.records.clusters import Word
from services.realms.records.values import DEFAULT_PAGE, Cursor, Key, LegacyMode, Moment, Name, PageSize, Text


@frozen
class Project:
    """A project; on the wire of the published clients it is called a swarm.

    `requires_same_address`: the tunnel client of a device has to come from the address of its agent.
    `cluster` is the database server that has its data, in `region`; `cell` that in which its devices and apps are.
    `legacy_mode` holds until `legacy_until`; afterwards, and where there is no such date, it is `strict`.
    """

    project_key: int
    name: str
    description: str
    owner_account_key: int
    created_at: datetime
    requires_factor: bool
    requires_same_address: bool
    legacy_mode: LegacyMode
    legacy_until: datetime | None
    region: str
    cluster: str
    cell: str


@frozen
class CreateProject:
    """`ironflock.realms.project.create`: in `region`, or where the installation has its first database server."""

    name: Name
    description: Text = ""
    region: Word | None = None


@frozen
class ListProjects:
    """`ironflock.realms.project.list`; `cursor` is the `next` of the page before."""

    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class ProjectPage:
    """One page, in the order of keys; `next` is None on the last one."""

    projects: list[Project]
    next: str | None


@frozen
class NameProject:
    """`ironflock.realms.project.show`, and whatever else asks for a project alone.

    A project is named by its key, or by the name of one that one has to do with.
    """

    project: Key | Name


@frozen
class RequireFactor:
    """`ironflock.realms.project.require_factor`."""

    project: Key | Name
    required: bool


@frozen
class RequireSameAddress:
    """`ironflock.realms.project.require_same_address`."""

    project: Key | Name
    required: bool


@frozen
class AskTunnelRules:
    """`ironflock.realms.project.tunnel_rules`."""

    project_key: Key


@frozen
class TunnelRules:
    """What a project asks of the tunnel clients of its devices."""

    requires_same_address: bool


@frozen
class SetLegacyMode:
    """`ironflock.realms.project.set_legacy_mode`; every mode but `strict` needs an end."""

    project: Key | Name
    mode: LegacyMode
    ends_at: Moment | None = None


@frozen
class ResolveProject:
    """`ironflock.realms.project.resolve`: the project as that account may see it."""

    account_key: Key
    project: Key | Name


@frozen
class AccountKey:
    """`ironflock.realms.project.reachable`."""

    account_key: Key


@frozen
class SetOwner:
    """`ironflock.realms.project.set_owner`; privileges alone says who owns what."""

    project_key: Key
    owner_account_key: Key
