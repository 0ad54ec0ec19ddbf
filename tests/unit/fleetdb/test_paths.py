"""Paths into JSON columns."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.rules.paths import MAX_KEYS, MAX_LENGTH, pruned, split, trees


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("a", ("a", ())),
        ("a.b.c", ("a", ("b", "c"))),
        ("a['b c'].d", ("a", ("b c", "d"))),
        ('a["b"]', ("a", ("b",))),
        ("a[0][ 1 ]", ("a", ("0", "1"))),
        ("a.b-c", ("a", ("b-c",))),
        ("a['b.c']", ("a", ("b.c",))),
        ("a['']", ("a['']", ())),
        ("a.", ("a.", ())),
        ("a..b", ("a..b", ())),
        ("a[b", ("a[b", ())),
        ("a b", ("a b", ())),
        (".a", (".a", ())),
        ("", ("", ())),
        ('a"; DROP TABLE x; --', ('a"; DROP TABLE x; --', ())),
    ],
)
def test_a_path_is_a_column_and_keys(ref: str, expected: Any) -> None:
    assert split(ref) == expected


def test_a_long_path_is_none() -> None:
    assert split("a" + ".b" * MAX_LENGTH)[1] == ()


@given(st.text())
def test_any_text_is_a_path_or_none(ref: str) -> None:
    base, keys = split(ref)
    assert (base == ref) == (not keys)


def test_what_is_asked_for_is_kept_nested_as_it_was() -> None:
    value = {"a": {"b": 1, "c": 2}, "d": [1], "e": None}

    assert pruned(value, trees([("a", "b"), ("d",)])) == {"a": {"b": 1}, "d": [1]}
    assert pruned(value, trees([("a",), ("a", "b")])) == {"a": {"b": 1, "c": 2}}
    assert pruned(value, trees([("a", "b"), ("a",)])) == {"a": {"b": 1, "c": 2}}
    assert pruned(value, trees([("x", "y"), ("d", "z")])) == {"x": {"y": None}, "d": {"z": None}}
    assert pruned(None, trees([("a",)])) is None
    assert pruned([1, 2], trees([("a",)])) == {"a": None}


def test_a_level_of_too_many_keys_comes_whole() -> None:
    value = {"a": 1}
    assert pruned(value, trees([(str(key),) for key in range(MAX_KEYS + 1)])) == value
    assert pruned(value, trees([("a", str(key)) for key in range(MAX_KEYS + 1)])) == value
    assert len(pruned(value, trees([(str(key),) for key in range(MAX_KEYS)]))) == MAX_KEYS
