"""Rows on their way: devices get other keys, secrets another seal, everything else stays as it is, octet by octet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.backup.errors import UntrustedError
from deploy.carrying.lines import CLEAR, END, SEALED, Rows, carried_secret, secret_in

FIELDS = st.lists(st.text("ab\\Nifsec:1é0", max_size=12).map(str.encode), min_size=3, max_size=3)


def kept(_: str, field: bytes) -> bytes:
    """No secret is changed."""
    return field


@given(st.lists(FIELDS))
def test_what_is_no_device_and_no_secret_stays(rows: list[list[bytes]]) -> None:
    lines = [b"\t".join(fields) + b"\n" for fields in rows]

    assert list(Rows(("a", "b", "c"), SEALED, kept).changed(lines)) == lines
    assert END not in lines


@given(st.lists(st.integers(-1, 2**53 - 1), min_size=1))
def test_devices_get_their_new_keys_and_boards_stay_boards(keys: list[int]) -> None:
    lines = [b"x\t%d\ty\n" % key for key in keys]
    rows = Rows(("a", "device_key", "c"), CLEAR, kept, 1, lambda key: key + 7)

    changed = list(rows.changed(lines))

    assert changed == [b"x\t%d\ty\n" % (key + 7 if key > 0 else key) for key in keys]


@given(st.text(max_size=200))
def test_a_secret_goes_in_clear_and_comes_back(clear: str) -> None:
    field = carried_secret(clear)

    assert field.startswith(CLEAR)
    assert not set(field) & set(b"\t\n\\")
    assert secret_in(field) == clear.encode()


def test_secrets_are_changed_where_they_stand() -> None:
    rows = Rows(("a", "pin"), SEALED, lambda column, field: column.encode() + b"=" + field[-1:])

    assert list(rows.changed([b"ifsec:\tifsec:1:k:Q\n", b"a ifsec:1: b\t\\N\n"])) == [
        b"ifsec:\tpin=Q\n",
        b"a ifsec:1: b\t\\N\n",
    ]


def test_what_is_no_secret_is_refused() -> None:
    with pytest.raises(UntrustedError):
        secret_in(CLEAR + b"***")
