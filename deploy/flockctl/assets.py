"""What rights are held on, as people name it: `device:press-1`, `project:plant`, `app:press`, `installation`."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen
from typing_extensions import override

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.words import key_or_name
from shared.flags import AssetKind

INSTALLATION_KEY: Final = 1
# What finds the key for a name. The others have no names that anybody could look up here.
_SHOWS: Final[Mapping[AssetKind, tuple[str, str]]] = {
    AssetKind.PROJECT: ("ironflock.realms.project.show", "project_key"),
    AssetKind.DEVICE: ("ironflock.devices.device.show", "device_key"),
    AssetKind.GROUP: ("ironflock.devices.group.show", "group_key"),
    AssetKind.APP: ("ironflock.realms.app.show", "app_key"),
}
_IN_A_PROJECT: Final = frozenset({AssetKind.DEVICE, AssetKind.GROUP})


@frozen
class Asset:
    """One of them, by its key, and as the person said it."""

    kind: AssetKind
    key: int
    word: int | str

    @property
    def arguments(self) -> dict[str, Any]:
        """How a procedure is told which."""
        return {"kind": self.kind.value, "key": self.key}

    @override
    def __str__(self) -> str:
        """In words."""
        return "the installation" if self.kind is AssetKind.INSTALLATION else f"{self.kind.value} {self.word}"


def kind_of(word: str) -> AssetKind:
    """The kind that `word` names.

    Raises:
        CommandError: There is none.
    """
    try:
        return AssetKind(word.replace("-", "_"))
    except ValueError as error:
        raise _usage(f"on begins with one of {', '.join(AssetKind)}") from error


async def asset_of(operator: Operator, said: str, project: str | None = None) -> Asset:
    """What `said` names; a device, group, project or app by its name, in `project` where two projects have the name.

    Raises:
        CommandError: It is malformed, there is no such thing, or it may not be seen.
    """
    kind, word = _parts(said)
    if project is not None and kind not in _IN_A_PROJECT:
        raise CommandError("usage", "--project says where a device or group is. See --help.", ExitStatus.USAGE)
    if kind not in _SHOWS or (isinstance(word, int) and project is None):
        return Asset(kind, int(word), word)
    return Asset(kind, await key_of(operator, kind, word, project), word)


async def key_of(operator: Operator, kind: AssetKind, word: int | str, project: str | None = None) -> int:
    """The key of what `word` names, of a kind with names; a key is taken as it is, unless `project` is said.

    Raises:
        CommandError: There is none, or it may not be seen.
    """
    if isinstance(word, int) and project is None:
        return word
    within: dict[str, Any] = {} if project is None else {"project": key_or_name(project, what="project")}
    within[kind.value] = word
    procedure, name = _SHOWS[kind]
    found = await operator.call(procedure, **within)
    return int(found[name])


def _parts(said: str) -> tuple[AssetKind, int | str]:
    first, colon, rest = said.partition(":")
    kind = kind_of(first)
    if kind is AssetKind.INSTALLATION:
        if colon:
            raise _usage("on has no name or key behind installation: there is one")
        return kind, INSTALLATION_KEY
    if not rest:
        raise _usage(f"on says which {kind.value} by a colon and its name or key, as device:press-1")
    word = key_or_name(rest, what=kind.value)
    if isinstance(word, str) and kind not in _SHOWS:
        raise _usage(f"on says which {kind.value} by its key, as {kind.value}:7")
    return kind, word


def _usage(text: str) -> CommandError:
    return CommandError("invalid_argument", text, ExitStatus.USAGE, argument="on")
