"""One CA takes over from another: whoever trusts the file is never left alone, wherever it was cut off."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local import succession
from deploy.local.authority import AuthorityError, ensure_authority, issue, load_authority, trusted
from deploy.local.files import write_atomically
from deploy.local.succession import (
    NEXT_KEY,
    Stage,
    have_next_sign,
    have_next_trusted,
    have_signing_alone_trusted,
    stage_of,
)
from tests.harness.scratch import new_folder
from tests.unit.local.test_authority import NOW, handshake, order_in

STEPS = (
    lambda folder: have_next_trusted(folder, NOW, name="next"),
    have_next_sign,
    have_signing_alone_trusted,
)


class CutOffError(Exception):
    """The process is gone."""


def test_it_goes_from_one_to_the_next(tmp_path: Path) -> None:
    old = ensure_authority(tmp_path, NOW)

    STEPS[0](tmp_path)
    following = trusted(tmp_path)[1]
    assert (stage_of(tmp_path), load_authority(tmp_path).certificate) == (Stage.TRUSTED, old.certificate)
    STEPS[1](tmp_path)
    assert (stage_of(tmp_path), load_authority(tmp_path).certificate) == (Stage.ISSUING, following)
    assert trusted(tmp_path) == [following, old.certificate]
    STEPS[2](tmp_path)
    assert (stage_of(tmp_path), trusted(tmp_path)) == (Stage.ALONE, [following])
    assert not (tmp_path / NEXT_KEY).exists()


def test_no_stage_is_left_out(tmp_path: Path) -> None:
    old = ensure_authority(tmp_path, NOW)

    with pytest.raises(AuthorityError, match="that is the first stage"):
        have_next_sign(tmp_path)
    STEPS[0](tmp_path)
    with pytest.raises(AuthorityError, match="that is the stage before"):
        have_signing_alone_trusted(tmp_path)

    assert load_authority(tmp_path).certificate == old.certificate


@given(cuts=st.lists(st.integers(0, 2), max_size=6))
def test_wherever_it_is_cut_off_who_trusts_the_file_accepts_what_is_issued_and_repeating_ends_it(
    cuts: list[int],
) -> None:
    folder = new_folder()
    old, order = ensure_authority(folder, NOW), order_in(folder)
    for at in [*cuts, None]:
        with pytest.MonkeyPatch.context() as patched:
            if at is not None:
                cut_after(patched, at)
            try:
                for step in STEPS[min(stage_index(folder), 2) :]:
                    step(folder)
            except CutOffError:
                pass
        issue(load_authority(folder), order, NOW)
        assert handshake(folder / "ca.pem", order, "localhost").version() == "TLSv1.3"

    assert stage_of(folder) is Stage.ALONE
    assert load_authority(folder).certificate != old.certificate


def stage_index(folder: Path) -> int:
    """The step that comes next."""
    return list(Stage).index(stage_of(folder))


def cut_after(patched: pytest.MonkeyPatch, writes: int) -> None:
    """Have the process end before the file that comes after so many."""
    done = [0]

    def perhaps(*given: Any, **named: Any) -> None:
        if done[0] == writes:
            raise CutOffError
        done[0] += 1
        write_atomically(*given, **named)

    patched.setattr(succession, "write_atomically", perhaps)
