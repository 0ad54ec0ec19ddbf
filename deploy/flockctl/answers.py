"""What the platform says of rights, in words: by which rule somebody may, and until when."""

from collections.abc import Mapping
from typing import Any, Final

from deploy.flockctl.text import local_time

# By the rule's name on the wire. A rule of a later release is shown by its name.
_RULES: Final[Mapping[str, str]] = {
    "owner": "owner",
    "public_app": "the app is public",
    "grant": "grant {grant}",
    "group": "grant {grant}, on a group that the device is in",
    "visit": "visit, grant {grant}",
    "default": "default of the project",
    "unknown_flag": "there is no such flag",
    "no_member": "no member of the project",
    "no_grant": "nothing gives it",
    "locked": "a lock stands on the person, on it, or on its project",
}


def why(answer: Mapping[str, Any]) -> str:
    """By what somebody may, or what they lack."""
    rule = str(answer["rule"])
    return _RULES[rule].format(grant=answer["grant_key"]) if rule in _RULES else rule


def until(moment: object) -> str:
    """When it ends by itself; a dash where it does not."""
    return "-" if moment is None else local_time(moment)


def in_words(answer: Mapping[str, Any]) -> str:
    """The whole answer in one line."""
    verdict = "yes" if answer["allowed"] else "no"
    ends = "" if answer["until"] is None else f", until {local_time(answer['until'])}"
    return f"{verdict}: {why(answer)}{ends}"
