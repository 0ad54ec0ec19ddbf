"""When a visit ends by itself, and how many there may be at once. Pure."""

from typing import Final

from attrs import frozen

from services.tunnels.records.visits import Cause

MAX_OF_A_TUNNEL: Final = 64
MAX_OF_A_PERSON: Final = 32
MAX_OF_AN_ADDRESS: Final = 32
MAX_OF_A_DEVICE: Final = 128
MAX_OF_STRANGERS: Final = 512
"""Of all public tunnels: who needs no account never takes the places of those who have one."""
MAX_OF_STRANGERS_AT_A_DEVICE: Final = 96
MAX_IN_ALL: Final = 1_024
UNCONFIRMED_S: Final = 5.0
"""How long a visit goes on while nobody can say whether it may (decision 14)."""
TOO_MANY: Final = {
    "all": "too many visits are open; try again later",
    "tunnel": f"this tunnel has {MAX_OF_A_TUNNEL} visits already",
    "device": f"this device has {MAX_OF_A_DEVICE} visits already",
    "strangers at the device": "too many visitors without an account are at this device already; try again later",
    "strangers": "too many visits to public tunnels are open; try again later",
    "person": f"you have {MAX_OF_A_PERSON} visits open already; close some",
    "address": f"there are {MAX_OF_AN_ADDRESS} visits from your address already",
}


@frozen
class Bounds:
    """A visit ends `life_s` seconds after it began, and when no octet went for `idle_s`."""

    life_s: float
    idle_s: float


@frozen
class Course:
    """Where a visit is: its hard end in Unix seconds; the rest in seconds of a clock that only goes forward.

    `confirmed_at` is when somebody who knows last said that it may go on, None where nobody has to.
    """

    hard_end: float
    moved_at: float
    confirmed_at: float | None


def hard_end(now: float, bounds: Bounds, *ends: float | None) -> float:
    """When a visit that begins `now` ends at the latest; `ends` are those of what it rests on."""
    return min(now + bounds.life_s, *(end for end in ends if end is not None), now + bounds.life_s)


def end_of(course: Course, bounds: Bounds, *, now: float, clock: float) -> Cause | None:
    """Why the visit ends now; None where it goes on."""
    if now >= course.hard_end:
        return Cause.HARD_END
    if course.confirmed_at is not None and clock - course.confirmed_at >= UNCONFIRMED_S:
        return Cause.UNHEARD
    return Cause.IDLE if clock - course.moved_at >= bounds.idle_s else None


def full(counts: dict[str, int]) -> str | None:
    """Why there is no room for one more, by how many there are of each kind; None where there is."""
    most = {
        "all": MAX_IN_ALL,
        "tunnel": MAX_OF_A_TUNNEL,
        "device": MAX_OF_A_DEVICE,
        "strangers": MAX_OF_STRANGERS,
        "strangers at the device": MAX_OF_STRANGERS_AT_A_DEVICE,
        "person": MAX_OF_A_PERSON,
        "address": MAX_OF_AN_ADDRESS,
    }
    return next((TOO_MANY[kind] for kind, count in counts.items() if count >= most[kind]), None)
