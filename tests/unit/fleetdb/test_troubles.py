"""One realm's trouble is not the process's."""

import pytest

from services.fleetdb.rules.troubles import is_widespread


@pytest.mark.parametrize(
    ("troubled", "all_of_them", "expected"),
    [
        (0, 0, False),
        (0, 1, False),
        (1, 1, True),
        (1, 2, False),
        (2, 2, True),
        (1, 9, False),
        (2, 9, True),
        (2, 20, False),
        (3, 20, True),
        (100, 1_000, False),
        (101, 1_000, True),
    ],
)
def test_it_is_widespread_where_more_than_a_tenth_and_more_than_one_or_all_are_in_trouble(
    troubled: int, all_of_them: int, *, expected: bool
) -> None:
    assert is_widespread(troubled, all_of_them) is expected
