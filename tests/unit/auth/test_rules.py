"""Which key opens, and what a device's secrets are made of."""

import base64
import string
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.records.accounts import Account
from services.auth.records.api_keys import ApiKey
from services.auth.records.devices import DeviceCredential
from services.auth.rules.accounts import confirm_login
from services.auth.rules.api_keys import end_of, is_key_id, life_of_next, opens
from services.auth.rules.devices import belongs, device_key_of, device_secrets, tunnel_proof, tunnel_proof_digest
from shared.errors import InvalidArgumentError

NOW = datetime(2026, 11, 25, tzinfo=UTC)
HASH = bytes(range(32))
KEY = ApiKey("id", 5, None, HASH, ["all"], NOW + timedelta(seconds=1), None, "active")
CREDENTIAL = DeviceCredential(7, 3, UUID(int=1), "active", UUID(int=2), b"", b"", b"")
ACCOUNT = Account(5, "Änne.Meier@example.com", "active", None)
octets = st.binary(min_size=64, max_size=64)


def test_a_living_key_of_an_active_account_opens() -> None:
    assert opens(KEY, presented=HASH, now=NOW)


@pytest.mark.parametrize("text", ["", "abc", "a" * 13, "a" * 11 + "\n", "a" * 12 + "\n", "\0" * 12, "\u0661" * 12])
def test_what_is_no_id_of_a_key_is_looked_for_nowhere(text: str) -> None:
    assert is_key_id("0123456789aZ")
    assert not is_key_id(text)


@pytest.mark.parametrize(
    "change",
    [
        {"ended_at": NOW - timedelta(days=1)},
        {"ended_at": NOW + timedelta(days=1)},
        {"ends_at": NOW},
        {"ends_at": NOW - timedelta(days=1)},
        {"account_state": "disabled"},
        {"key_hash": bytes(32)},
        {"key_hash": HASH[:-1]},
        {"key_hash": b""},
    ],
)
def test_given_any_reason_against_it_when_a_key_is_presented_then_it_does_not_open(change: dict[str, Any]) -> None:
    assert not opens(attrs.evolve(KEY, **change), presented=HASH, now=NOW)


@pytest.mark.parametrize("presented", [HASH, bytes(32), b""])
def test_a_key_that_is_not_stored_does_not_open(presented: bytes) -> None:
    assert not opens(None, presented=presented, now=NOW)


def test_a_key_ends_when_it_is_said_or_after_ninety_days() -> None:
    assert end_of(None, NOW) == NOW + timedelta(days=90)
    assert end_of(NOW + timedelta(days=366), NOW) == NOW + timedelta(days=366)
    for wanted in (NOW, NOW - timedelta(days=1), NOW + timedelta(days=366, seconds=1)):
        with pytest.raises(InvalidArgumentError, match=r"ends_at|366"):
            end_of(wanted, NOW)


@given(st.timedeltas(min_value=timedelta(days=-10), max_value=timedelta(days=1000)))
def test_the_next_key_lives_as_long_as_the_one_before_within_bounds(life: timedelta) -> None:
    assert life_of_next(NOW, NOW + life) == min(max(life, timedelta(days=1)), timedelta(days=366))


@given(st.binary(max_size=40))
def test_no_other_hash_opens(presented: bytes) -> None:
    assert opens(KEY, presented=presented, now=NOW) == (presented == HASH)


@given(octets)
def test_a_device_s_secrets_are_the_octets_in_two_alphabets(entropy: bytes) -> None:
    fresh = device_secrets(entropy)

    assert len(fresh.secret) == 43
    assert set(fresh.secret) <= set(string.ascii_letters + string.digits + "-_")
    assert base64.urlsafe_b64decode(fresh.secret + "=") == entropy[:32]
    assert len(fresh.app_cred_key) == 44
    assert base64.b64decode(fresh.app_cred_key, validate=True) == entropy[32:]
    assert fresh.secret not in repr(fresh)
    assert fresh.app_cred_key not in repr(fresh)


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_given_another_number_of_octets_when_secrets_are_made_then_it_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="64 octets"):
        device_secrets(bytes(length))


def test_the_tunnel_proof_is_that_of_wire_agent_section_6() -> None:
    assert tunnel_proof("s3cret-dev", 7) == "2TJMd0LLTN8Y48swTqBSjA80t9lQdcmCD8e_In1Ctos"


def test_the_digest_of_the_proof_is_of_its_text() -> None:
    # printf '%s' 2TJMd0LLTN8Y48swTqBSjA80t9lQdcmCD8e_In1Ctos | sha256sum
    assert (
        tunnel_proof_digest("s3cret-dev", 7).hex() == "06c4eb609ba3bf9150b29f090bdde55867e8e1debd281bbd8d84dbc3156e9013"
    )


@given(
    st.text(min_size=1, max_size=5, alphabet="ab"),
    st.text(min_size=1, max_size=5, alphabet="ab"),
    st.integers(1, 99),
    st.integers(1, 99),
)
def test_no_two_devices_share_a_proof(one: str, other: str, key: int, other_key: int) -> None:
    same = (one, key) == (other, other_key)

    assert (tunnel_proof(one, key) == tunnel_proof(other, other_key)) == same


@pytest.mark.parametrize(
    ("authid", "key"), [("3-7", 7), ("9-7", 7), ("7", None), ("", None), ("3-x", None), ("3-0", None)]
)
def test_the_key_to_look_under_is_the_authid_s_second_part(authid: str, key: int | None) -> None:
    assert device_key_of(authid) == key


@pytest.mark.parametrize(
    ("authid", "expected"),
    [("3-7", True), ("3-8", False), ("4-7", False), ("7-3", False), ("7", False), ("3-7 ", False), ("03-7", False)],
)
def test_only_project_and_device_together_belong(authid: str, *, expected: bool) -> None:
    assert belongs(CREDENTIAL, authid) is expected


@pytest.mark.parametrize("confirm", [ACCOUNT.login_name, "änne.meier@EXAMPLE.com", " A\u0308nne.Meier@example.com\n"])
def test_a_login_confirms_itself_in_any_of_its_forms(confirm: str) -> None:
    confirm_login(ACCOUNT, confirm)


@pytest.mark.parametrize("confirm", ["", " ", "anne.meier@example.com", "5", "yes", ACCOUNT.login_name + "x"])
def test_nothing_else_confirms_and_no_name_is_repeated(confirm: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        confirm_login(ACCOUNT, confirm)

    assert "Meier" not in str(refused.value.details())
    assert not confirm.strip() or confirm not in refused.value.message
