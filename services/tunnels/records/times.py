"""What the parts ask of the outside."""

from collections.abc import Callable
from datetime import datetime

from attrs import frozen


@frozen
class Times:
    """The time in UTC; seconds that only go forward."""

    now: Callable[[], datetime]
    clock: Callable[[], float]
