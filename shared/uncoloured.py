"""Autobahn and Crossbar colour what a message would look like in a line of a log, also where no such line is written.

That is a tenth of what routing costs.
"""

from types import ModuleType


def uncolour(*modules: ModuleType) -> None:
    """Have `modules`, of theirs, leave text as it is."""
    for module in modules:
        module.hl = _plain  # type: ignore[attr-defined]  # the one function by which they colour


def _plain(text: object, **_: object) -> str:
    return str(text)
