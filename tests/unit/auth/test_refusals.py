"""Every refusal has its status."""

import pytest

from services.auth.pages.refusals import _STATUS, MethodNotAllowedError, NoPageError, NotOurFormError, status_of
from shared import errors
from shared.errors import InternalError, NotAuthorizedError, NotFoundError, NotSupportedError, PublicError


def test_every_refusal_of_the_platform_has_a_status_of_its_own_kind() -> None:
    public = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PublicError)]
    kinds = {*public, NoPageError, MethodNotAllowedError, NotOurFormError} - {PublicError}

    assert set(_STATUS) == kinds
    for kind in kinds:
        assert (status_of(kind("x")) == 500) is (kind is InternalError)
        assert 400 <= status_of(kind("x")) <= 503


@pytest.mark.parametrize(
    ("kind", "base"),
    [(NoPageError, NotFoundError), (MethodNotAllowedError, NotSupportedError), (NotOurFormError, NotAuthorizedError)],
)
def test_what_only_pages_have_is_one_of_the_vocabulary(kind: type[PublicError], base: type[PublicError]) -> None:
    assert issubclass(kind, base)
    assert kind("x").code != base("x").code
