"""The CA of data backends' logins, which the provisioner signs with while another one takes over."""

from pathlib import Path

import pytest

from deploy.local.authority import ensure_authority
from deploy.local.succession import have_next_sign, have_next_trusted
from services.realms.provisioner.certificates import Authorities, AuthorityError, load_authority
from tests.unit.local.test_authority import NOW


def test_the_one_whose_key_is_there_signs_from_then_on(tmp_path: Path) -> None:
    first = ensure_authority(tmp_path, NOW).certificate
    authorities = Authorities(tmp_path / "ca.pem", tmp_path / "ca.key")

    have_next_trusted(tmp_path, NOW, name="next")
    assert authorities.current().certificate == first
    have_next_sign(tmp_path)

    assert authorities.current().certificate != first


@pytest.mark.parametrize("broken", ["ca.pem", "ca.key"])
def test_while_the_files_do_not_match_the_one_before_goes_on_and_nobody_starts_with_them(
    tmp_path: Path, broken: str
) -> None:
    first = ensure_authority(tmp_path, NOW).certificate
    files = tmp_path / "ca.pem", tmp_path / "ca.key"
    authorities = Authorities(*files)
    other = tmp_path / "other"
    other.mkdir()
    ensure_authority(other, NOW)

    (other / broken).replace(tmp_path / broken)

    assert authorities.current().certificate == first
    with pytest.raises(AuthorityError, match="do not belong together"):
        load_authority(*files)
