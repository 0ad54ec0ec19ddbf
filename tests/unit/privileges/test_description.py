"""The documentation has the table of flags as the data has it."""

import re

import pytest

from shared.flags import FLAGS, AssetKind
from tests.unit.privileges.description import BEGIN, CONFERRED, END, FILE, table, with_table

ROW = re.compile(r"\| ([a-z_]+) \| `([A-Z_]+)` \| (.+) \|")


def test_the_documentation_has_the_table() -> None:
    text = FILE.read_text(encoding="utf-8")

    assert text == with_table(text), "python -m tests.unit.privileges.description"


def test_the_table_has_every_flag_once_with_what_it_allows() -> None:
    said = [(kind, flag) for kind, flag, _ in ROW.findall(table())]
    missing = {(kind.value, flag) for kind, flags in FLAGS.items() for flag in flags} - set(said)

    assert len(said) == len(set(said))
    assert {kind for kind, _ in missing} == {"group"}
    assert {flag for _, flag in missing} <= set(FLAGS[AssetKind.DEVICE])
    assert table().count(CONFERRED) == 1
    assert all(FLAGS[AssetKind(kind)][flag] == meaning for kind, flag, meaning in ROW.findall(table()))


@pytest.mark.parametrize("text", ["", BEGIN, END + BEGIN, BEGIN + END + END, BEGIN + BEGIN + END])
def test_a_text_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="mark"):
        with_table(text)


def test_what_stood_between_the_marks_goes_and_the_rest_stays() -> None:
    assert with_table(f"before\n{BEGIN}old\n{END}after\n") == f"before\n{BEGIN}{table()}{END}after\n"
