"""What travels between the rooms of realms, and the shapes of its procedures."""

from datetime import datetime
from typing import Annotated, Final

from attrs import frozen
from msgspec import Meta

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Name = Annotated[str, Meta(max_length=400)]
Text = Annotated[str, Meta(max_length=16_000)]
Cursor = Annotated[str, Meta(max_length=200)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]

DEFAULT_PAGE: Final = 100


@frozen
class Project:
    """A project; on the wire of the published clients it is called a swarm."""

    project_key: int
    name: str
    description: str
    owner_account_key: int
    created_at: datetime
    requires_factor: bool


@frozen
class CreateProject:
    """`ironflock.realms.project.create`."""

    name: Name
    description: Text = ""


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
class ShowProject:
    """`ironflock.realms.project.show`: a key, or the name of a project that one has to do with."""

    project: Key | Name


@frozen
class RequireFactor:
    """`ironflock.realms.project.require_factor`."""

    project: Key | Name
    required: bool


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
