"""The table of flags: read strictly, whole, and the same for everybody."""

import msgspec
import pytest

from shared.flags import FILE, FLAGS, AssetKind, is_flag, load

TEXT = FILE.read_text(encoding="utf-8")


def test_every_flag_says_what_it_allows() -> None:
    for flags in FLAGS.values():
        for flag, meaning in flags.items():
            assert flag == flag.upper()
            assert meaning


def test_a_group_has_every_flag_of_a_device() -> None:
    assert FLAGS[AssetKind.DEVICE].keys() < FLAGS[AssetKind.GROUP].keys()
    assert "each device in the group" in FLAGS[AssetKind.GROUP]["MAINTAIN"]
    assert "each device in the group" not in FLAGS[AssetKind.GROUP]["DELETE"]


def test_what_is_no_flag_is_none_anywhere() -> None:
    assert is_flag(AssetKind.DEVICE, "MAINTAIN")
    assert not is_flag(AssetKind.DEVICE, "maintain")
    assert not is_flag(AssetKind.PROJECT, "MAINTAIN")


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (TEXT.replace("\nboard:", "\nboards:"), msgspec.ValidationError),
        (TEXT.replace("see the board and its data", "[1]"), msgspec.ValidationError),
        (TEXT[: TEXT.index("installation:")], ValueError),
        (TEXT + "  - x\n", msgspec.DecodeError),
    ],
)
def test_a_table_that_is_not_whole_is_refused(text: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        load(text)
