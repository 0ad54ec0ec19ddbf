"""What stands for a secret, and what it is bound to."""

import pytest

from services.fleetdb.rules.sealed import is_kept, place_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("__secret__", True),
        ("\u2022" * 8, True),
        ("\u2022" * 7, False),
        ("__secret", False),
        ("", False),
        (None, False),
    ],
)
def test_what_stands_for_the_value_that_is_there(value: str | None, expected: bool) -> None:
    assert is_kept(value) is expected


def test_no_two_places_are_alike() -> None:
    places = {place_of(backend, table, column) for backend in (1, 11) for table in ("a", "ab") for column in ("b", "c")}

    assert len(places) == 8
