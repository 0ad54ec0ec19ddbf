"""Scopes: how far a credential reaches, of all that its account may do.

A scope is written `all` (everything) or `read` (whatever changes nothing), and is narrowed by `@project/<key>` or
`@device/<key>`. A credential has one or more, and reaches as far as any of them. Scopes only ever take away: what the
account may not do, no scope opens.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, cast

from attrs import frozen

from shared.errors import InvalidArgumentError

Access = Literal["all", "read"]
Kind = Literal["project", "device"]
MAX_SCOPES: Final = 20
UNKNOWN: Final = "a scope is `all` or `read`, or one of them for one asset: `read@project/3`, `all@device/7`"
_FORM: Final = re.compile(r"(all|read)(?:@(project|device)/([1-9][0-9]{0,15}))?", re.ASCII)


@frozen
class Scope:
    """One scope; without a kind it holds everywhere."""

    access: Access
    kind: Kind | None = None
    key: int | None = None

    @property
    def text(self) -> str:
        """As it is written."""
        return self.access if self.kind is None else f"{self.access}@{self.kind}/{self.key}"

    def covers(self, other: "Scope") -> bool:
        """Whether this reaches wherever `other` does."""
        return self.access in ("all", other.access) and (self.kind is None or (self.kind, self.key) == _place(other))


@frozen
class Scopes:
    """All scopes of a credential; none at all reach nothing."""

    parts: frozenset[Scope]

    @property
    def texts(self) -> list[str]:
        """As they are written, in order."""
        return sorted(part.text for part in self.parts)

    @property
    def is_everywhere(self) -> bool:
        """Whether any of them is not narrowed."""
        return any(part.kind is None for part in self.parts)

    @property
    def devices(self) -> frozenset[int]:
        """The keys of the devices to which some are narrowed."""
        return frozenset(part.key for part in self.parts if part.kind == "device" and part.key is not None)

    def usable(self, *, changes: bool) -> "Scopes":
        """Those that let something be done that changes something, or does not."""
        return Scopes(frozenset(part for part in self.parts if part.access == "all" or not changes))

    def reaches(self, project_key: int, device_key: int | None = None) -> bool:
        """Whether they reach the whole project, or the device in it."""
        if self.is_everywhere or any(_place(part) == ("project", project_key) for part in self.parts):
            return True
        return device_key is not None and device_key in self.devices

    def covers(self, others: "Scopes") -> bool:
        """Whether each of `others` lies within one of these."""
        return all(any(part.covers(other) for part in self.parts) for other in others.parts)


EVERYTHING: Final = Scopes(frozenset({Scope("all")}))
NOTHING: Final = Scopes(frozenset())


def parse_scopes(texts: Iterable[str]) -> Scopes:
    """The scopes that are written as `texts`.

    Raises:
        InvalidArgumentError: One of them is none, there is none at all, or there are too many.
    """
    found = [_FORM.fullmatch(text) for text in texts]
    if not 0 < len(found) <= MAX_SCOPES:
        raise InvalidArgumentError(f"say one scope at least and {MAX_SCOPES} at most", argument="scopes")
    if not all(found):
        raise InvalidArgumentError(UNKNOWN, argument="scopes")
    return Scopes(frozenset(_scope(*each.groups()) for each in found if each is not None))


def scopes_of(claimed: Any) -> Scopes:
    """What another part of the platform says that a credential reaches: nothing, where it says that in no known way."""
    if not isinstance(claimed, list) or not all(isinstance(text, str) for text in claimed):
        return NOTHING
    try:
        return parse_scopes(claimed)
    except InvalidArgumentError:
        return NOTHING


def _scope(access: str, kind: str | None, key: str | None) -> Scope:
    return Scope(cast("Access", access), cast("Kind | None", kind), None if key is None else int(key))


def _place(scope: Scope) -> tuple[Kind | None, int | None]:
    return scope.kind, scope.key
