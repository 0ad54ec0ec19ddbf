"""One realm's trouble is not the process's."""

import pytest

from services.fleetdb.rules.troubles import is_widespread, of_working_servers


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


@pytest.mark.parametrize(
    ("clusters", "troubled", "expected"),
    [
        ({1: "first", 2: "second", 3: "second"}, {2, 3}, {1}),
        ({1: "first", 2: "second", 3: "second"}, {3}, {1, 2, 3}),
        ({1: "first", 2: "second", 3: "second"}, {1, 2, 3}, {1, 2, 3}),
        ({1: "first", 2: "first"}, {1, 2}, {1, 2}),
        ({1: "first", 2: None, 3: None}, {2, 3}, {1, 2, 3}),
        ({}, set(), set()),
    ],
)
def test_a_server_of_which_everything_is_in_trouble_does_not_count_while_another_one_works(
    clusters: dict[int, str | None], troubled: set[int], expected: set[int]
) -> None:
    assert of_working_servers(clusters, troubled) == expected
