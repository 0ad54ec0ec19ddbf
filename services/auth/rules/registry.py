"""What somebody gets of what they ask for at the registry of images. Pure.

Source: Docker Registry token specification.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import frozen

MAX_SCOPES: Final = 20
ACTIONS: Final = ("pull", "push")
_NAME: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_OF_APP: Final = re.compile(r"(?:[^/]+/)*(?:dev|prod)_[a-z0-9]+_([0-9]{1,16})_[^/]+")
"""Source: wire-agent section 7, how agents name images."""


@frozen
class Wanted:
    """A repository, and what is to be done with it."""

    name: str
    actions: tuple[str, ...]

    @property
    def app_key(self) -> int | None:
        """Of which app its images are; None where its name does not say so."""
        found = _OF_APP.fullmatch(self.name)
        return None if found is None else int(found[1])


def wanted(scopes: Iterable[str]) -> list[Wanted]:
    """The repositories that are asked for; anything else, and what cannot be read, is left be."""
    found: list[Wanted] = []
    for scope in [each for text in scopes for each in text.split(" ")][:MAX_SCOPES]:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind == "repository" and len(name) <= 255 and _NAME.fullmatch(name):  # noqa: PLR2004 - of the specification
            found.append(Wanted(name, tuple(each for each in ACTIONS if each in actions.split(","))))
    return found


def granted(wishes: Iterable[Wanted], allowed: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """The `access` of a token: what is wished and allowed, by the names of repositories."""
    both = [(each.name, [act for act in each.actions if act in allowed.get(each.name, ())]) for each in wishes]
    return [{"type": "repository", "name": name, "actions": actions} for name, actions in both if actions]


def allowed_by(access: object) -> dict[str, list[str]]:
    """What a device's login allows, by the names of repositories."""
    rows = access if isinstance(access, list) else []
    return {str(row["name"]): [str(each) for each in row["actions"]] for row in rows if isinstance(row, dict)}
