"""When trouble with some realms is this process's own, and not that of the projects they belong to."""

from collections.abc import Collection, Hashable, Mapping
from typing import Final, TypeVar

SHARE: Final = 0.1
Known = TypeVar("Known", bound=Hashable)


def is_widespread(troubled: int, all_of_them: int) -> bool:
    """Whether so many of all are in trouble that it cannot be of one project's making.

    One alone may always be, unless there is no other: then nothing is served.
    """
    return troubled > max(1, SHARE * all_of_them) or 0 < troubled == all_of_them


def of_working_servers(clusters: Mapping[Known, str | None], troubled: Collection[Known]) -> set[Known]:
    """Those of `clusters` (each with its database server, None where it is not known) that count.

    A server of which everything is in trouble is away, which is no fault of this process, as long as another one works.
    """
    working = {cluster for known, cluster in clusters.items() if known not in troubled}
    return {known for known, cluster in clusters.items() if not working or cluster is None or cluster in working}
