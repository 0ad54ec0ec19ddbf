"""When trouble with some realms is this process's own, and not that of the projects they belong to."""

from typing import Final

SHARE: Final = 0.1


def is_widespread(troubled: int, all_of_them: int) -> bool:
    """Whether so many of all are in trouble that it cannot be of one project's making.

    One alone may always be, unless there is no other: then nothing is served.
    """
    return troubled > max(1, SHARE * all_of_them) or 0 < troubled == all_of_them
