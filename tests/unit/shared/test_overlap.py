"""The text of a secret, while another one follows it."""

from hypothesis import given
from hypothesis import strategies as st

from shared.overlap import is_followed, values, with_newest_alone, with_next

VALUE = st.text("abcXYZ019_- ", min_size=1).map(str.strip).filter(bool)


@given(VALUE, VALUE)
def test_both_count_from_the_beginning_to_the_end_and_the_new_one_comes_first(old: str, new: str) -> None:
    both = with_next(f"{old}\n", new)

    assert (values(old), values(both), values(with_newest_alone(both))) == ((old,), (new, old), (new,))
    assert [is_followed(text) for text in (old, both, with_newest_alone(both))] == [False, True, False]


@given(VALUE, VALUE, VALUE)
def test_never_do_more_than_two_count(oldest: str, old: str, new: str) -> None:
    assert values(with_next(with_next(oldest, old), new)) == (new, old)


def test_an_empty_text_has_no_value() -> None:
    assert values(" \n\n") == ()
