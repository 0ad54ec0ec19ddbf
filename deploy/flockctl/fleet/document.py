"""The fleet file: which projects there are to be, with which people, apps, devices, groups and rights.

What a file does not speak of stays as it is. A section that it has is complete: with `--prune`, whatever else is
there is taken.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import yaml
from msgspec import Meta, Struct
from typing_extensions import override

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.text import printable
from shared.errors import InvalidArgumentError
from shared.flags import AssetKind
from shared.names import canonical_name, clean_name, clean_text

MAX_OCTETS: Final = 4 << 20
Stage = Literal["dev", "prod"]
Flags = Annotated[list[Annotated[str, Meta(pattern=r"^[A-Z][A-Z_]{0,39}$")]], Meta(min_length=1, max_length=40)]
Moment = Annotated[datetime, Meta(tz=True)]


class Given(Struct, frozen=True, forbid_unknown_fields=True):
    """Flags of one person on one thing, for good or until an end."""

    flags: Flags
    until: Moment | None = None


Grants = dict[str, Flags | Given]


class ProjectApp(Struct, frozen=True, forbid_unknown_fields=True):
    """An app at one stage of a project; without a version it may be of any."""

    version: str | None = None


class DeviceApp(Struct, frozen=True, forbid_unknown_fields=True):
    """An app at one stage on a device; what is None may be as it is."""

    version: str | None = None
    running: bool | None = None


class Device(Struct, frozen=True, forbid_unknown_fields=True):
    """A device; its description is given to it when it is made."""

    description: str = ""
    apps: dict[str, dict[Stage, DeviceApp | None]] | None = None
    grants: Grants | None = None


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """A group; its description is given to it when it is made."""

    description: str = ""
    devices: list[str] | None = None
    grants: Grants | None = None


class Project(Struct, frozen=True, forbid_unknown_fields=True):
    """A project; its description is given to it when it is made."""

    description: str = ""
    require_factor: bool | None = None
    require_same_address: bool | None = None
    members: list[str] | None = None
    apps: dict[str, dict[Stage, ProjectApp | None]] | None = None
    devices: dict[str, Device | None] = {}
    groups: dict[str, Group | None] = {}
    defaults: dict[AssetKind, Flags] | None = None
    grants: Grants | None = None


class Fleet(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    projects: dict[str, Project | None]


class _Loader(yaml.SafeLoader):
    """Plain YAML; a mapping that has a key twice is refused, since one of the two would be dropped in silence."""

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for name in (each for each, _ in node.value if isinstance(each, yaml.ScalarNode)):
            if name.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name.value!r} stands twice", name.start_mark)
            seen.add(name.value)
        return dict(super().construct_mapping(node, deep=deep))

    @override
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # a few of them can stand for any number of values
            raise yaml.composer.ComposerError(None, None, "aliases are not taken here", self.peek_event().start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def read(path: Path) -> Fleet:
    """The file at `path`.

    Raises:
        CommandError: It cannot be read, or is no fleet file; the text says where.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_OCTETS + 1)
    except (OSError, ValueError) as error:
        raise CommandError("unreadable_fleet", f"{printable(path)} cannot be read", ExitStatus.USAGE) from error
    if len(content) > MAX_OCTETS:
        raise CommandError("malformed_fleet", f"{printable(path)} has more than {MAX_OCTETS >> 20} MiB")
    return parse(content, printable(path))


def parse(content: bytes, name: str = "the file") -> Fleet:
    """The fleet that `content` describes; `name` is what the refusal calls it.

    Raises:
        CommandError: It is no fleet file; the text says where.
    """
    try:
        fleet = msgspec.convert(yaml.load(content, _Loader), Fleet)  # noqa: S506 - a safe loader, made stricter
        _check(fleet)
    except yaml.MarkedYAMLError as error:
        where = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise _malformed(f"{name}{where}: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise _malformed(f"{name}: {_hint(str(error))}") from error
        raise _malformed(f"{name} is no YAML") from error
    except InvalidArgumentError as error:
        raise _malformed(f"{name}: {error.message}") from error
    return fleet


def _hint(text: str) -> str:
    is_unquoted = "Expected `str" in text and ("got `float`" in text or "got `int`" in text)
    return f"{text}; put it in quotes" if is_unquoted else text


def _malformed(text: str) -> CommandError:
    return CommandError("malformed_fleet", printable(text), ExitStatus.USAGE, argument="file")


def _check(fleet: Fleet) -> None:
    """Names as the platform takes them, each once.

    Raises:
        InvalidArgumentError: One is malformed, stands twice, or is of something that the file does not have.
    """
    _names(fleet.projects, "project")
    for name, project in fleet.projects.items():
        if project is not None:
            _check_project(name, project)


def _check_project(name: str, project: Project) -> None:
    clean_text(project.description, what=f"description of project {name!r}")
    _names(project.apps or (), "app")
    _names(project.devices, "device")
    _names(project.groups, "group")
    _persons(project.members or ())
    for device_name, device in project.devices.items():
        clean_text((device or Device()).description, what=f"description of device {device_name!r}")
        _names((device or Device()).apps or (), "app")
    for group_name, group in project.groups.items():
        clean_text((group or Group()).description, what=f"description of group {group_name!r}")
        _names((group or Group()).devices or (), "device")
    for grants in all_grants(project):
        _persons(grants)


def all_grants(project: Project) -> Iterator[Grants]:
    """Every section of grants in it."""
    holders = (project, *project.devices.values(), *project.groups.values())
    for holder in holders:
        if holder is not None and holder.grants is not None:
            yield holder.grants


def _names(names: Any, what: str) -> None:
    _each_once([canonical_name(clean_name(name, what=what)) for name in names], what)


def _persons(names: Any) -> None:
    for name in names:
        if name.strip() != name or "@" not in name:
            raise InvalidArgumentError(f"{name!r} is no login name: people are named by e-mail address", argument="who")
    _each_once([name.casefold() for name in names], "person")


def _each_once(names: list[str], what: str) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise InvalidArgumentError(f"the {what} {name!r} stands twice", argument=what)
