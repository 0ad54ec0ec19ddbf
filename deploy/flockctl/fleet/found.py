"""What there is of what a fleet file speaks of: as far as it speaks of it, and as far as the caller may see it."""

from collections.abc import Mapping
from datetime import datetime

from attrs import field, frozen

from shared.flags import AssetKind

Held = Mapping[tuple[str, str], datetime | None]
"""By login name, folded, and flag: until when."""
Spot = tuple[str, str]
"""An app's name, canonical, and its stage."""


@frozen
class FoundApp:
    """An app on a device."""

    version: str | None
    is_running: bool


@frozen
class FoundDevice:
    """A device; `apps` and `grants` are None where they were not asked for."""

    device_key: int
    apps: Mapping[Spot, FoundApp] | None = None
    grants: Held | None = None


@frozen
class FoundGroup:
    """A group; `devices` has their names, canonical."""

    group_key: int
    devices: frozenset[str] = frozenset()
    grants: Held | None = None


@frozen
class FoundProject:
    """A project. People by login name, folded; devices, groups and apps by canonical name."""

    project_key: int
    requires_factor: bool
    requires_same_address: bool
    owner: str | None = None
    members: frozenset[str] = frozenset()
    invited: frozenset[str] = frozenset()
    installs: Mapping[Spot, str | None] = field(factory=dict)
    devices: Mapping[str, FoundDevice] = field(factory=dict)
    groups: Mapping[str, FoundGroup] = field(factory=dict)
    defaults: Mapping[tuple[AssetKind, str], datetime | None] = field(factory=dict)
    grants: Held | None = None


@frozen
class Found:
    """All of it. `me` is the caller's login name, `projects` and `apps` are by canonical name."""

    me: str
    projects: Mapping[str, FoundProject]
    apps: Mapping[str, int]
