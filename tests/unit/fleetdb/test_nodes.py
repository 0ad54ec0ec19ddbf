"""Filters as they come: what is told of them is in `test_queries.py`."""

from services.fleetdb.rules.nodes import MISSING, filters_of, is_number, is_object, member


def test_no_filter_is_none_given() -> None:
    assert filters_of({}, "$input[0]") == filters_of({"filterAnd": None}, "$input[0]") == ()


def test_a_truth_value_is_no_number_and_a_list_is_an_object_without_members() -> None:
    assert [is_number(value) for value in (1, 1.5, True, "1", None)] == [True, True, False, False, False]
    assert is_object({})
    assert is_object([])
    assert not any(is_object(value) for value in ("", None, 1))
    assert member(["a"], "a") is MISSING
    assert member({"a": None}, "a") is None
