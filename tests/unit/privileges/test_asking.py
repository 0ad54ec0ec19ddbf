"""What is refused to whom: hidden where nobody need know of it, told where everybody does."""

import pytest

from services.privileges.asking import Case
from shared.errors import NotAuthorizedError, NotFoundError, PublicError
from shared.flags import AssetKind
from shared.rights.records import STRANGER, Asset, Grant, Standing


def member_with(flag: str) -> Standing:
    grant = Grant(1, flag, AssetKind.DEVICE, 7, None, is_visit=False)
    return Standing(is_owner=False, is_member=True, grants=(grant,))


@pytest.mark.parametrize(
    ("standing", "kind", "refusal"),
    [
        (STRANGER, AssetKind.DEVICE, NotFoundError),
        (Standing(is_owner=False, is_member=True), AssetKind.DEVICE, NotFoundError),
        (member_with("UPDATE"), AssetKind.DEVICE, NotFoundError),
        (member_with("READ"), AssetKind.DEVICE, NotAuthorizedError),
        (STRANGER, AssetKind.INSTALLATION, NotAuthorizedError),
    ],
)
def test_a_refusal_hides_what_is_not_known(standing: Standing, kind: AssetKind, refusal: type[PublicError]) -> None:
    with pytest.raises(refusal):
        Case(standing, Asset(kind, 7), now=0).require("GRANT")


def test_whoever_has_the_flag_passes() -> None:
    Case(member_with("GRANT"), Asset(AssetKind.DEVICE, 7), now=0).require("GRANT")
