"""The decisions of audit. Pure."""

import re
from typing import Any, Final

from services.audit.records import CHOICES, Chosen, Filter
from shared.errors import InvalidArgumentError

ACTOR: Final = re.compile(r"(person|device|service|operator):(\S{1,80})")
ERASED: Final = {"erased": True}
SEALED: Final = {"sealed": True}


def filter_of(chosen: Chosen) -> Filter:
    """The conditions that were asked for.

    Raises:
        InvalidArgumentError: A time has no zone, an actor is none, or two of project, app and account are named.
    """
    times = {"since": chosen.since, "until": chosen.until}
    for name, time in times.items():
        if time is not None and time.tzinfo is None:
            raise InvalidArgumentError(f"{name} needs a time zone, for example Z", argument=name)
    named = [name for name in CHOICES if getattr(chosen, name) is not None]
    if len(named) > 1 and set(named) not in ({"project", "device"}, {"project", "app"}):
        raise InvalidArgumentError(f"{named[0]} and {named[1]} cannot be asked for together", argument=named[1])
    return Filter(
        aspect=chosen.aspect,
        action=chosen.action,
        actor=None if chosen.actor is None else _actor(chosen.actor),
        outcome=chosen.outcome,
        **times,
    )


def _actor(actor: int | str) -> tuple[str, str]:
    if isinstance(actor, int):
        return "person", str(actor)
    found = ACTOR.fullmatch(actor)
    if found is None:
        raise InvalidArgumentError("actor is an account key, or a kind and a key like device:7", argument="actor")
    return found[1], found[2]


def asset_of(chosen: Chosen) -> tuple[str, str] | None:
    """Kind and key of the one asset that was asked for, if it was a device or an app."""
    if chosen.device is not None:
        return "device", str(chosen.device)
    return None if chosen.app is None else ("app", str(chosen.app))


def concerns(account_key: int, actor: dict[str, Any], asset: dict[str, Any]) -> bool:
    """Whether an entry is one of the account's own: what the person did, what was done in their name or to them."""
    is_actor = actor.get("kind") == "person" and actor.get("key") == account_key
    is_actor = is_actor or actor.get("on_behalf_of") == account_key
    return is_actor or (asset.get("kind") == "account" and asset.get("key") == account_key)


def personal_values(value: Any) -> list[dict[str, Any]]:
    """Every sealed personal value inside an entry's fields: `{"account_key": ..., "sealed": ...}`."""
    if isinstance(value, dict):
        inner = value.get("personal")
        if set(value) == {"personal"} and isinstance(inner, dict) and set(inner) == {"account_key", "sealed"}:
            return [inner]
        return [found for each in value.values() for found in personal_values(each)]
    if isinstance(value, list):
        return [found for each in value for found in personal_values(each)]
    return []


def with_opened(value: Any, opened: dict[tuple[int, str], Any]) -> Any:
    """`value` with each sealed personal value replaced by what `opened` has for it, by account key and sealed text."""
    if isinstance(value, dict):
        found = personal_values(value) if set(value) == {"personal"} else []
        if found:
            return opened.get((found[0]["account_key"], found[0]["sealed"]), SEALED)
        return {name: with_opened(each, opened) for name, each in value.items()}
    if isinstance(value, list):
        return [with_opened(each, opened) for each in value]
    return value
