"""Authids and keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identities import MAX_KEY, device_authid, parse_account_authid, parse_device_authid, service_role

keys = st.integers(1, MAX_KEY)
HOSTILE = [
    "",
    "-",
    "1-",
    "-1",
    "0-1",
    "1-0",
    "01-1",
    "1-01",
    "1--1",
    "+1-1",
    " 1-1",
    "1-1\n",
    "1-1-1",
    "\u0661-\u0661",
    "1.0-1",
    f"1-{MAX_KEY + 1}",
]


@given(keys, keys)
def test_parse_inverts_the_authid_of_a_device(project: int, device: int) -> None:
    assert parse_device_authid(device_authid(project, device)) == (project, device)
    assert parse_account_authid(device_authid(project, device)) is None


@given(keys)
def test_the_authid_of_a_person_is_their_key(account: int) -> None:
    assert parse_account_authid(str(account)) == account
    assert parse_device_authid(str(account)) is None


@pytest.mark.parametrize("authid", HOSTILE)
def test_another_text_is_no_device(authid: str) -> None:
    assert parse_device_authid(authid) is None


@pytest.mark.parametrize(
    "authid", ["", "0", "01", "-1", "1 ", "1\n", "\u0661", "1e3", "owner@localhost", str(MAX_KEY + 1), "9" * 5000]
)
def test_another_text_is_no_account(authid: str) -> None:
    assert parse_account_authid(authid) is None


@given(st.text())
def test_any_text_is_an_identity_in_one_way_at_most(authid: str) -> None:
    device, account = parse_device_authid(authid), parse_account_authid(authid)

    assert device is None or account is None
    assert device is None or device_authid(*device) == authid
    assert account is None or str(account) == authid


def test_a_service_is_called_by_its_role() -> None:
    assert service_role("auth") == "svc_auth"
