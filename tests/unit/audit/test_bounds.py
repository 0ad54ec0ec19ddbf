"""A bound on how many there are at once."""

import pytest

from services.audit.bounds import Bound
from shared.errors import OverLimitError


def test_one_too_many_is_refused_and_a_place_comes_back() -> None:
    bound = Bound(1, "exports")
    with bound.one(), pytest.raises(OverLimitError, match="too many exports"), bound.one():
        pass

    with bound.one():
        pass


def test_a_failure_gives_the_place_back() -> None:
    bound = Bound(1, "exports")
    with pytest.raises(KeyError), bound.one():
        raise KeyError

    with bound.one():
        pass
