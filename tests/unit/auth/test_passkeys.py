"""Answers of authenticators that are made to hurt: refused, whatever stands in them, and never a failure inside."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, cast

import cbor2
import pytest
import webauthn
from hypothesis import example, given
from hypothesis import strategies as st

from services.auth.passkeys import Passkeys
from services.auth.records.factors import Passkey
from shared.errors import FactorRejectedError
from tests.harness.authenticator import Authenticator, b64

ORIGIN: Final = "https://accounts.test:8441"
CHALLENGE: Final = b"c" * 32
PASSKEYS: Final = Passkeys(cast("Any", None), cast("Any", None), origin=ORIGIN, name="IronFlock")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=6,
)
CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.binary(max_size=40) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(-9, 9) | st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=8,
)


def made() -> tuple[Authenticator, dict[str, Any], dict[str, Any]]:
    """An authenticator, its answer when it was enrolled, and its answer to a challenge."""
    device = Authenticator(ORIGIN)
    created = device.create(
        webauthn.options_to_json(
            webauthn.generate_registration_options(
                rp_id="accounts.test", rp_name="x", user_name="x", user_id=b"x", challenge=CHALLENGE
            )
        )
    )
    shown = device.get(
        webauthn.options_to_json(webauthn.generate_authentication_options(rp_id="accounts.test", challenge=CHALLENGE))
    )
    return device, created, shown


DEVICE, CREATED, SHOWN = made()
KEPT = PASSKEYS._registered(1, "laptop", CREATED, CHALLENGE)


def is_refused(judge: Callable[[dict[str, Any]], object], answer: dict[str, Any]) -> bool:
    try:
        judge(answer)
    except FactorRejectedError:
        return True
    return False


def enrolled(answer: dict[str, Any]) -> object:
    return PASSKEYS._registered(1, "laptop", answer, CHALLENGE)


def signed(answer: dict[str, Any]) -> object:
    return PASSKEYS._answered(KEPT, answer, CHALLENGE)


def with_part(answer: dict[str, Any], part: str, value: object) -> dict[str, Any]:
    return {**answer, "response": {**answer["response"], part: value}}


def test_a_true_answer_is_taken() -> None:
    assert isinstance(KEPT, Passkey)
    assert KEPT.credential_id == DEVICE.credential_id
    assert not is_refused(signed, SHOWN)
    assert KEPT.created_at == datetime.fromtimestamp(0, UTC)


@pytest.mark.parametrize(("judge", "answer"), [(enrolled, CREATED), (signed, SHOWN)])
@given(data=st.data())
def test_whatever_stands_in_a_part_it_is_refused(
    judge: Callable[[dict[str, Any]], object], answer: dict[str, Any], data: st.DataObject
) -> None:
    part = data.draw(st.sampled_from([part for part in answer["response"] if part != "transports"]))
    value = data.draw(
        JSON
        | st.binary(max_size=200).map(b64)
        | CBOR.map(lambda found: b64(cbor2.dumps(found)))
        | JSON.map(json_octets)
    )

    assert is_refused(judge, with_part(answer, part, value))


def json_octets(found: object) -> str:
    return b64(json.dumps(found).encode())


@pytest.mark.parametrize(("judge", "answer"), [(enrolled, CREATED), (signed, SHOWN)])
@given(data=st.data())
def test_octets_that_were_changed_or_cut_never_fail_inside(
    judge: Callable[[dict[str, Any]], object], answer: dict[str, Any], data: st.DataObject
) -> None:
    part = data.draw(st.sampled_from([part for part in answer["response"] if part != "transports"]))
    octets = bytearray(base64.urlsafe_b64decode(answer["response"][part] + "=="))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(octets[: data.draw(st.integers(0, len(octets)))])

    is_refused(judge, with_part(answer, part, b64(bytes(octets))))
    is_refused(judge, with_part(answer, part, b64(cut)))


@example([], 85)
@given(CBOR, st.integers(0, 255))
def test_a_made_up_key_never_fails_inside(key: object, flags: int) -> None:
    statement = cbor2.loads(base64.urlsafe_b64decode(CREATED["response"]["attestationObject"] + "=="))
    said = statement["authData"][:32] + bytes([flags]) + statement["authData"][33:87] + cbor2.dumps(key)
    octets = cbor2.dumps({**statement, "authData": said})

    assert is_refused(enrolled, with_part(CREATED, "attestationObject", b64(octets)))


@given(JSON.filter(lambda found: isinstance(found, dict)))
def test_an_answer_of_another_form_is_refused(found: Any) -> None:
    assert is_refused(enrolled, found)
    assert is_refused(signed, found)


FORMATS = ["none", "packed", "fido-u2f", "tpm", "apple", "android-key", "android-safetynet", "x", ""]
PARTS = ["alg", "sig", "x5c", "ver", "response", "certInfo", "pubArea", "x"]


@example("android-safetynet", {"ver": [None], "response": [None]})
@given(st.sampled_from(FORMATS), st.dictionaries(st.sampled_from(PARTS), CBOR) | CBOR)
def test_a_made_up_attestation_is_refused_or_no_matter(fmt: str, statement: object) -> None:
    kept = cbor2.loads(base64.urlsafe_b64decode(CREATED["response"]["attestationObject"] + "=="))
    octets = cbor2.dumps({**kept, "fmt": fmt, "attStmt": statement})

    is_refused(enrolled, with_part(CREATED, "attestationObject", b64(octets)))
