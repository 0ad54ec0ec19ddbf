"""The agent's words, pinned."""

import json

from deploy.flockctl.simulator.wire import (
    PROCEDURES,
    SUBPROTOCOLS,
    Message,
    authenticate,
    hello,
)


def test_hello_is_that_of_the_published_agent() -> None:
    kind, realm, details = json.loads(json.dumps(hello("3-7")))

    assert (kind, realm) == (1, "realm1")
    assert set(details) == {"authid", "authmethods", "roles"}
    assert details["authmethods"] == ["wampcra"]
    assert {role: sorted(each["features"]) for role, each in details["roles"].items()} == {
        "publisher": [
            "payload_passthru_mode",
            "publisher_exclusion",
            "publisher_identification",
            "subscriber_blackwhite_listing",
        ],
        "subscriber": ["pattern_based_subscription", "payload_passthru_mode", "publisher_identification"],
        "callee": [
            "call_canceling",
            "call_timeout",
            "caller_identification",
            "pattern_based_registration",
            "payload_passthru_mode",
            "progressive_call_invocations",
            "progressive_call_results",
            "shared_registration",
        ],
        "caller": [
            "call_canceling",
            "call_timeout",
            "caller_identification",
            "payload_passthru_mode",
            "progressive_call_invocations",
            "progressive_call_results",
        ],
    }
    assert all(flag is True for each in details["roles"].values() for flag in each["features"].values())


def test_a_challenge_is_signed_with_the_raw_secret() -> None:
    # Made with: printf %s '{"nonce":"x"}' | openssl dgst -sha256 -hmac s3cret-dev -binary | base64
    challenge = {"challenge": '{"nonce":"x"}'}

    assert authenticate("s3cret-dev", challenge) == [5, "qj4H9btrQ7eMZMiUL55ScP6rYUJ/6G6eSYdiLp4/T60=", {}]


def test_a_salted_challenge_is_signed_with_the_derived_key() -> None:
    # As autobahn's derive_key and compute_wcs have it: PBKDF2-SHA256, key in base64.
    challenge = {"challenge": "x", "salt": "salt123", "iterations": 100, "keylen": 16}

    assert authenticate("secret1", challenge)[1] == "cB/aYWKeC/y4GvLvvyKQd32AM2fVmYMgm/7TvOP/E+U="


def test_message_codes_are_the_specifications() -> None:
    assert {code.name: code.value for code in Message} == {
        "HELLO": 1,
        "WELCOME": 2,
        "ABORT": 3,
        "CHALLENGE": 4,
        "AUTHENTICATE": 5,
        "GOODBYE": 6,
        "ERROR": 8,
        "PUBLISH": 16,
        "PUBLISHED": 17,
        "SUBSCRIBE": 32,
        "SUBSCRIBED": 33,
        "UNSUBSCRIBE": 34,
        "UNSUBSCRIBED": 35,
        "EVENT": 36,
        "CALL": 48,
        "RESULT": 50,
        "REGISTER": 64,
        "REGISTERED": 65,
        "UNREGISTER": 66,
        "UNREGISTERED": 67,
        "INVOCATION": 68,
        "YIELD": 70,
    }


def test_json_is_offered_first() -> None:
    assert SUBPROTOCOLS[0] == "wamp.2.json"


def test_the_agent_registers_34_procedures_besides_the_first() -> None:
    assert len(PROCEDURES) == 34
    assert {each.privilege for each in PROCEDURES.values()} == {None, "READ", "NETWORK", "MAINTAIN", "DEVELOP"}
