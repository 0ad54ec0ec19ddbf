"""The errors of the package."""

import inspect

from shared.tlog import errors
from shared.tlog.errors import TlogError


def test_every_error_is_a_tlog_error_with_a_sentence() -> None:
    found = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]

    assert len(found) > 5
    assert all(issubclass(each, TlogError) and each.__doc__ for each in found)
