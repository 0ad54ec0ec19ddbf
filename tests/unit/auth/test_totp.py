"""Time-based codes: the RFC's vectors, the window, and that a step is spent once."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.rules.totp import PERIOD_S, key_uri, matching_step, time_step

SECRET = base64.b32encode(b"12345678901234567890").decode()
# RFC 6238 appendix B, SHA-1, the last six of eight digits.
VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


@pytest.mark.parametrize(("now", "code"), VECTORS)
def test_the_codes_are_those_of_rfc_6238(now: int, code: str) -> None:
    assert matching_step(SECRET, code, now=now, last_step=0) == now // 30


@pytest.mark.parametrize(("drift", "opens"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
def test_a_clock_may_be_one_step_off(drift: int, *, opens: bool) -> None:
    now, code = VECTORS[3]

    assert (matching_step(SECRET, code, now=now + drift, last_step=0) is not None) is opens


def test_a_spent_step_and_all_before_it_open_nothing() -> None:
    now, code = VECTORS[3]
    step = time_step(now)

    assert matching_step(SECRET, code, now=now, last_step=step - 1) == step
    assert matching_step(SECRET, code, now=now, last_step=step) is None
    assert matching_step(SECRET, code, now=now, last_step=step + 5) is None


@pytest.mark.parametrize("code", ["", "28708", "2870822", "28708a", "२८७०८२", "287082\x00", "-87082", "0x1234"])
def test_what_is_no_code_opens_nothing(code: str) -> None:
    assert matching_step(SECRET, code, now=59, last_step=0) is None


def test_blanks_in_a_code_are_no_matter() -> None:
    assert matching_step(SECRET, " 287 082 ", now=59, last_step=0) == 1


@given(now=st.integers(0, 2**40), text=st.text(max_size=12))
def test_any_text_at_any_time_is_answered(now: int, text: str) -> None:
    step = matching_step(SECRET, text, now=now, last_step=0)

    assert step is None or abs(step - now // PERIOD_S) <= 1


def test_apps_read_the_key_uri() -> None:
    uri = key_uri(SECRET, issuer="IronFlock", login_name="a b@example.com")

    assert uri == f"otpauth://totp/IronFlock:a%20b%40example.com?secret={SECRET}&issuer=IronFlock"
