"""Assertions: valid for one call, once; everything else refused."""

import base64
import hmac
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySetSerialization, OKPKey

from shared.assertions import (
    ALGORITHM,
    LIFE_S,
    MAX_SKEW_S,
    TYPE,
    Assertions,
    arguments_hash,
    claims_for,
    sign,
)
from shared.errors import InvalidArgumentError, NotAuthorizedError, UnavailableError
from shared.identities import Person
from shared.scopes import NOTHING, parse_scopes

pytestmark = pytest.mark.asyncio
NOW = 1_800_000_000.0
PERSON = Person(account_key=5, session=0, credential="key-1")
ARGUMENTS: dict[str, Any] = {"name": "plant", "limit": 7}
PROCEDURE = "ironflock.realms.project.create"


def new_key(kid: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid, "alg": ALGORITHM, "use": "sig"}, private=True)


KEY, FOREIGN_KEY = new_key("k1"), new_key("k1")


class Callee:
    """A service that verifies, with a clock and a key set that tests turn."""

    def __init__(self, *keys: OKPKey) -> None:
        """Trust `keys`."""
        self.now = NOW
        self.keys = list(keys)
        self.fetched = 0
        self._assertions = Assertions("realms", self._fetch, lambda: self.now)

    async def _fetch(self) -> KeySetSerialization:
        self.fetched += 1
        return cast(KeySetSerialization, {"keys": [key.as_dict(private=False) for key in self.keys]})

    async def take(self, assertion: str, procedure: str = PROCEDURE, arguments: dict[str, Any] | None = None) -> Person:
        """The person."""
        return await self._assertions.verify(
            assertion, procedure=procedure, arguments=ARGUMENTS if arguments is None else arguments
        )

    async def refuses(
        self, assertion: str, procedure: str = PROCEDURE, arguments: dict[str, Any] | None = None
    ) -> None:
        """Nobody speaks through it."""
        with pytest.raises(NotAuthorizedError):
            await self.take(assertion, procedure, arguments)


def claims(nonce: str = "n1", **changes: Any) -> dict[str, Any]:
    made = claims_for(
        PERSON, audience="realms", procedure=PROCEDURE, digest=arguments_hash(ARGUMENTS), nonce=nonce, now=NOW
    )
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def with_header(header: dict[str, Any], key: OKPKey = KEY) -> str:
    return jwt.encode({"alg": ALGORITHM, "typ": TYPE, "kid": "k1", **header}, claims(), key, algorithms=[ALGORITHM])


def octets(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


async def test_an_assertion_is_taken_for_its_call() -> None:
    assert await Callee(KEY).take(sign(claims(), KEY)) == PERSON


async def test_given_a_taken_assertion_when_it_is_replayed_then_it_is_refused() -> None:
    callee, assertion = Callee(KEY), sign(claims(), KEY)
    await callee.take(assertion)

    await callee.refuses(assertion)


async def test_an_assertion_that_was_for_another_call_is_not_spent_by_the_attempt() -> None:
    callee, assertion = Callee(KEY), sign(claims(), KEY)
    await callee.refuses(assertion, procedure="ironflock.realms.project.list")

    assert await callee.take(assertion) == PERSON


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "devices"},
        {"aud": ["realms", "devices"]},
        {"aud": None},
        {"aud": ""},
        {"iss": "ironflock.realms"},
        {"iss": None},
        {"procedure": "ironflock.realms.project.list"},
        {"procedure": None},
        {"arguments": arguments_hash({})},
        {"arguments": None},
        {"jti": None},
        {"jti": 7},
        {"sub": "owner"},
        {"sub": None},
        {"sub": "-5"},
        {"iat": None},
        {"exp": None},
        {"iat": "now"},
        {"exp": NOW + 10},
        {"exp": int(NOW) + LIFE_S + 1},
        {"exp": int(NOW) + 10**6},
        {"iat": int(NOW) + MAX_SKEW_S + 1},
        {"iat": int(NOW) - 10**6},
        {"exp": int(NOW) - 1, "iat": int(NOW) - LIFE_S},
    ],
)
async def test_given_another_claim_when_it_is_taken_then_it_is_refused(changes: dict[str, Any]) -> None:
    await Callee(KEY).refuses(sign(claims(**changes), KEY))


@pytest.mark.parametrize("arguments", [{}, {"name": "plant"}, {**ARGUMENTS, "limit": 8}, {**ARGUMENTS, "x": None}])
async def test_given_other_arguments_when_it_is_taken_then_it_is_refused(arguments: dict[str, Any]) -> None:
    await Callee(KEY).refuses(sign(claims(), KEY), arguments=arguments)


async def test_given_another_procedure_when_it_is_taken_then_it_is_refused() -> None:
    await Callee(KEY).refuses(sign(claims(), KEY), procedure="ironflock.realms.project.show")


@pytest.mark.parametrize(
    ("after", "is_taken"), [(-MAX_SKEW_S - 1, False), (-MAX_SKEW_S, True), (LIFE_S, True), (LIFE_S + 1, False)]
)
async def test_an_assertion_is_taken_in_its_minute_only(after: int, *, is_taken: bool) -> None:
    callee = Callee(KEY)
    callee.now = NOW + after

    if is_taken:
        assert await callee.take(sign(claims(), KEY)) == PERSON
    else:
        await callee.refuses(sign(claims(), KEY))


async def test_given_algorithm_none_when_it_is_taken_then_it_is_refused() -> None:
    for name in ("none", "None", ""):
        body = f"{octets({'alg': name, 'typ': TYPE, 'kid': 'k1'})}.{octets(claims())}"
        await Callee(KEY).refuses(f"{body}.")
        await Callee(KEY).refuses(body)
        await Callee(KEY).refuses(f"{body}.{octets(b'x' * 64)}")


@pytest.mark.parametrize("form", ["raw", "jwk", "pem"])
async def test_given_our_public_key_as_an_hmac_key_when_it_is_taken_then_it_is_refused(form: str) -> None:
    public = KEY.as_dict(private=False)
    raw = base64.urlsafe_b64decode(f"{public['x']}=")
    secret = {"raw": raw, "jwk": json.dumps(public).encode(), "pem": KEY.as_pem(private=False)}[form]
    signing_input = f"{octets({'alg': 'HS256', 'typ': TYPE, 'kid': 'k1'})}.{octets(claims())}"

    await Callee(KEY).refuses(f"{signing_input}.{octets(hmac.digest(secret, signing_input.encode(), 'sha256'))}")


async def test_given_a_key_that_it_brings_along_when_it_is_taken_then_it_is_refused() -> None:
    header = {"jwk": FOREIGN_KEY.as_dict(private=False), "alg": ALGORITHM, "typ": TYPE, "kid": "k1"}
    signed = sign(claims(), FOREIGN_KEY).split(".")

    await Callee(KEY).refuses(sign(claims(), FOREIGN_KEY))
    await Callee(KEY).refuses(".".join([octets(header), *signed[1:]]))
    for name, value in [
        ("jwk", FOREIGN_KEY.as_dict(private=False)),
        ("jku", "https://evil/keys"),
        ("x5u", "https://evil/x"),
    ]:
        await Callee(KEY).refuses(with_header({name: value}, FOREIGN_KEY))


async def test_given_an_unknown_critical_header_when_it_is_taken_then_it_is_refused() -> None:
    header = octets({"alg": ALGORITHM, "typ": TYPE, "kid": "k1", "crit": ["later"], "later": 1})
    signing_input = f"{header}.{octets(claims())}"
    signature = cast(Any, KEY).private_key.sign(signing_input.encode())

    await Callee(KEY).refuses(f"{signing_input}.{octets(signature)}")


@pytest.mark.parametrize("kind", ["JWT", "", "at+jwt", None, TYPE.upper()])
async def test_given_another_type_when_it_is_taken_then_it_is_refused(kind: str | None) -> None:
    await Callee(KEY).refuses(with_header({"typ": kind} if kind is not None else {"typ": "x"}))


async def test_given_an_unknown_key_when_it_is_taken_then_the_keys_are_asked_for_once_more_and_it_is_refused() -> None:
    callee = Callee(KEY)

    await callee.refuses(sign(claims(), new_key("k9")))

    assert callee.fetched == 2


async def test_given_a_new_key_of_auth_when_it_is_taken_then_the_keys_are_asked_for_again() -> None:
    callee, newer = Callee(KEY), new_key("k2")
    await callee.take(sign(claims("n1"), KEY))
    callee.keys = [newer, KEY]

    assert await callee.take(sign(claims("n2"), newer)) == PERSON
    assert await callee.take(sign(claims("n3"), KEY)) == PERSON
    assert callee.fetched == 2


async def test_given_auth_away_when_it_is_taken_then_that_is_said() -> None:
    async def away() -> KeySetSerialization:
        raise UnavailableError("away")

    with pytest.raises(UnavailableError):
        await Assertions("realms", away, lambda: NOW).verify("a.b.c", procedure=PROCEDURE, arguments={})


@given(st.integers(0, 2000), st.integers(0, 7))
async def test_a_flipped_bit_is_refused(place: int, bit: int) -> None:
    head, body, signature = sign(claims(), KEY).split(".")
    whole = bytearray(base64.urlsafe_b64decode(f"{body}==") + base64.urlsafe_b64decode(f"{signature}=="))
    length = len(base64.urlsafe_b64decode(f"{body}=="))
    whole[place % len(whole)] ^= 1 << bit

    await Callee(KEY).refuses(f"{head}.{octets(bytes(whole[:length]))}.{octets(bytes(whole[length:]))}")


@given(st.text() | st.lists(st.text(alphabet="eyJhbGciOiJ9.-_ abc{}[]", max_size=30), max_size=5).map(".".join))
async def test_any_text_is_refused_and_nothing_else(text: str) -> None:
    await Callee(KEY).refuses(text)


@given(
    st.lists(
        st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2)),
        min_size=3,
        max_size=3,
    )
)
async def test_any_json_in_header_and_body_is_refused(parts: list[Any]) -> None:
    await Callee(KEY).refuses(
        f"{octets({'alg': parts[0], 'kid': parts[1], 'typ': TYPE})}.{octets(parts[2])}.{octets(b'x' * 64)}"
    )
    await Callee(KEY).refuses(f"{octets(parts[0])}.{octets(claims())}.{octets(b'x' * 64)}")


async def test_the_hash_of_arguments_is_of_their_canonical_form() -> None:
    # SHA-256 of the octets {"a":1,"b":[true,null,"ä"]}, computed with sha256sum.
    digest = "9059c4611b15cb40901312707380664ff79665b9d41808fbf07c1ae4840c695a"

    assert arguments_hash({"b": [True, None, "\u00e4"], "a": 1}) == digest
    assert arguments_hash({"a": 1.0, "b": [True, None, "\u00e4"]}) == digest


@pytest.mark.parametrize("value", [b"octets", 2**53, float("nan"), float("inf"), "\ud800", {1: 2}, object()])
async def test_given_what_json_cannot_carry_when_it_is_hashed_then_it_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgumentError):
        arguments_hash({"a": value})


@pytest.mark.parametrize("scopes", [["all"], ["read@project/3", "all@device/7"]])
async def test_it_carries_how_far_the_credential_reaches(scopes: list[str]) -> None:
    person = Person(5, 0, "key-1", parse_scopes(scopes))
    claims = claims_for(
        person, audience="realms", procedure=PROCEDURE, digest=arguments_hash(ARGUMENTS), nonce="n", now=NOW
    )

    assert await Callee(KEY).take(sign(claims, KEY)) == person


@pytest.mark.parametrize("claimed", [None, "all", ["everything"], [7], {}, []])
async def test_given_scopes_that_nobody_knows_when_it_is_verified_then_it_reaches_nothing(claimed: Any) -> None:
    claims = claims_for(
        PERSON, audience="realms", procedure=PROCEDURE, digest=arguments_hash(ARGUMENTS), nonce="n", now=NOW
    )

    assert (await Callee(KEY).take(sign({**claims, "scopes": claimed}, KEY))).scopes == NOTHING
