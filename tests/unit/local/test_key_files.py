"""Files of keys, through a rotation."""

import json

from hypothesis import given
from hypothesis import strategies as st

from deploy.local.key_files import (
    is_leaving_masters,
    is_taking_over,
    with_active_master_alone,
    with_masters_of,
    with_new_master,
    with_new_signer,
    with_newest_signer_alone,
)
from services.audit.settings import parse_keys
from shared.secrets import parse_master_keys, rewrap, unwrap, wrap

KEYS = st.dictionaries(
    st.text("0123456789abcdef", min_size=8, max_size=8), st.binary(min_size=32, max_size=32), min_size=2
)
ORIGIN = "ironflock.local/audit"


@given(KEYS)
def test_what_the_old_master_wrapped_is_opened_until_it_is_gone_and_then_by_the_new_one(keys: dict[str, bytes]) -> None:
    first, *later = keys
    text = with_new_master(json.dumps({"active": "", "keys": {}}), first, keys[first])
    wrapped = wrap(parse_master_keys(text), "data", b"k" * 32)

    for name in later:
        both = with_new_master(text, name, keys[name])
        assert (is_leaving_masters(text), is_leaving_masters(both)) == (False, True)
        wrapped = rewrap(parse_master_keys(both), wrapped)
        text = with_active_master_alone(both)

        assert unwrap(parse_master_keys(text), wrapped) == b"k" * 32
        assert [*parse_master_keys(text).keys] == [name]


@given(KEYS)
def test_what_was_retired_unwraps_still_and_wraps_nothing(keys: dict[str, bytes]) -> None:
    first, *later = keys
    text = with_new_master(json.dumps({"active": "", "keys": {}}), first, keys[first])
    retired = text
    for name in later:
        text = with_new_master(text, name, keys[name])
        retired = with_masters_of(text, retired)
        text = with_active_master_alone(text)

    assert dict(parse_master_keys(retired).keys) == keys
    assert parse_master_keys(retired).active == later[-1]


@given(KEYS)
def test_a_signing_key_takes_over_in_two_steps_and_the_old_one_still_verifies(keys: dict[str, bytes]) -> None:
    (first, old), (second, new), *_ = keys.items()
    before = with_new_signer(json.dumps({"active": [], "keys": {}}), first, old)

    both = with_new_signer(before, second, new)
    after = with_newest_signer_alone(both)

    assert [is_taking_over(text) for text in (before, both, after)] == [False, True, False]
    signers = [
        tuple(signer.verifier_key for signer in parse_keys(ORIGIN, text).signers) for text in (before, both, after)
    ]
    assert signers[1] == (*signers[0], *signers[2])
    assert set(parse_keys(ORIGIN, after).verifiers) == set(parse_keys(ORIGIN, both).verifiers)
