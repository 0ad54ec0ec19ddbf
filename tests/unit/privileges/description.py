"""The table of flags as the documentation has it, made from `shared/flags.yaml`.

`python -m tests.unit.privileges.description` writes it anew; a test compares what is checked in.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from shared.flags import FLAGS, AssetKind

FILE: Final = Path(__file__).parents[3] / "services" / "privileges" / "README.md"
BEGIN: Final = "<!-- flags: written by `python -m tests.unit.privileges.description` -->\n"
END: Final = "<!-- end of flags -->\n"
CONFERRED: Final = "each flag of a device"


def table() -> str:
    """The whole table; those of a device that a group confers are said in one line."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [("on", "flag", "allows to"), ("---",) * 3, *_rows()])


def with_table(text: str) -> str:
    """`text` with the table between its marks.

    Raises:
        ValueError: It has not each mark once, the first before the second.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise ValueError("each mark of the table of flags stands once")
    return before + BEGIN + table() + END + after


def _rows() -> Iterator[tuple[str, str, str]]:
    for kind, flags in FLAGS.items():
        own = _own(kind, flags)
        for flag, meaning in own.items():
            yield kind.value, f"`{flag}`", meaning
        if own.keys() != flags.keys():
            yield kind.value, CONFERRED, "holds for each device while it is in the group"


def _own(kind: AssetKind, flags: Mapping[str, str]) -> dict[str, str]:
    """Without those that say what the device's flag says, of each device."""
    if kind is not AssetKind.GROUP:
        return dict(flags)
    return {flag: meaning for flag, meaning in flags.items() if not _is_conferred(flag, meaning)}


def _is_conferred(flag: str, meaning: str) -> bool:
    of_device = FLAGS[AssetKind.DEVICE].get(flag)
    return of_device is not None and meaning != of_device and meaning.startswith(of_device)


if __name__ == "__main__":
    FILE.write_text(with_table(FILE.read_text(encoding="utf-8")), encoding="utf-8")
