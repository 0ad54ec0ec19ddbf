"""What a row of the matrix is made of: a call, what guards it, and who asks."""

import re
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from shared.flags import AssetKind

if TYPE_CHECKING:
    from tests.security.access.scene import Asker, Scene

Known = Mapping[str, Any]
Maker = Callable[["Scene", "Asker"], Awaitable[dict[str, Any]]]
_FLAG: Final = re.compile(rf"({'|'.join(AssetKind)}) ([A-Z_]+)")


class Who(StrEnum):
    """The columns, in their order."""

    ANONYMOUS = "anonymous"
    OUTSIDER = "outsider"
    MEMBER = "member"
    FLAGGED = "flagged"
    OWNER = "owner"
    DEVICE = "device"
    APP = "app"
    BOARD = "board"


class Surface(StrEnum):
    """Where a call is made."""

    BUS = "bus"
    REST = "rest"
    HTTPS = "https"


@frozen
class Case:
    """One way to ask for one procedure, towards what belongs to the owner of the scene.

    Args:
        guard: The flags that it takes, each with its kind of asset (`device READ, device GRANT`), or in words what
            else lets somebody do it.
        asks: The arguments; `{name}` is what the scene, or `makes`, knows by that name.
        makes: Makes afresh for each cell what the call uses up, as further names.
        about: What tells this case from another one of the same procedure.
        sees: Whether an answer shows what was asked for; without it every answer does.
        undo: Puts back, once the row is done, what else would change the rows after it.
        is_given: Whether `makes` gives the flags itself, on something that is never used again.
    """

    procedure: str
    guard: str
    asks: Mapping[str, Any] = field(factory=dict)
    makes: Maker | None = None
    about: str = ""
    sees: Callable[[Known, Any], bool] | None = None
    undo: Maker | None = None
    is_given: bool = False

    @property
    def flags(self) -> tuple[tuple[AssetKind, str], ...]:
        """The flags of the guard; none where it is said in words."""
        parts = [_FLAG.fullmatch(part) for part in self.guard.split(", ")]
        return tuple((AssetKind(part[1]), part[2]) for part in parts if part is not None)


@frozen
class Row:
    """One line of the matrix: a case, on one surface, under the name that it has there."""

    surface: Surface
    name: str
    case: Case

    @property
    def head(self) -> tuple[str, str, str, str]:
        """The columns before the cells."""
        return self.surface.value, self.name, self.case.about, self.case.guard


def filled(value: Any, known: Known) -> Any:
    """`value` with each `{name}` in it replaced; what is nothing else keeps its type."""
    if isinstance(value, Mapping):
        return {name: filled(each, known) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    if not isinstance(value, str):
        return value
    return known[value[1:-1]] if value[1:-1] in known and value[:1] == "{" else value.format_map(known)
