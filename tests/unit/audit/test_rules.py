"""Audit's decisions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.audit import rules
from services.audit.records import Chosen, Filter
from shared.errors import InvalidArgumentError

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("actor", "found"),
    [
        (None, None),
        (5, ("person", "5")),
        ("person:5", ("person", "5")),
        ("service:svc_auth", ("service", "svc_auth")),
        ("operator:a@b", ("operator", "a@b")),
    ],
)
def test_an_actor_is_a_key_or_a_kind_and_a_key(actor: Any, found: Any) -> None:
    assert rules.filter_of(Chosen(actor=actor)) == Filter(actor=found)


@pytest.mark.parametrize(
    "chosen",
    [
        Chosen(actor="ghost:5"),
        Chosen(actor="person:"),
        Chosen(actor="person"),
        Chosen(since=NOON.replace(tzinfo=None)),
        Chosen(until=NOON.replace(tzinfo=None)),
        Chosen(project=1, account=5),
        Chosen(device=1, account=5),
        Chosen(device=1, app=2),
        Chosen(project=1, device=1, app=2),
    ],
)
def test_given_a_contradiction_when_it_is_asked_for_then_it_is_refused(chosen: Chosen) -> None:
    with pytest.raises(InvalidArgumentError):
        rules.filter_of(chosen)


def test_conditions_are_kept_as_they_are() -> None:
    chosen = Chosen(project=1, device=2, aspect="a", action="b", outcome="c", since=NOON, until=NOON)

    assert rules.filter_of(chosen) == Filter("a", "b", None, "c", NOON, NOON)


@pytest.mark.parametrize(
    ("chosen", "asset"),
    [(Chosen(), None), (Chosen(project=1, device=2), ("device", "2")), (Chosen(app=3), ("app", "3"))],
)
def test_the_asset_is_a_device_or_an_app(chosen: Chosen, asset: Any) -> None:
    assert rules.asset_of(chosen) == asset


@pytest.mark.parametrize(
    ("actor", "asset", "is_own"),
    [
        ({"kind": "person", "key": 5}, {"kind": "device", "key": 7}, True),
        ({"kind": "service", "key": "svc_auth"}, {"kind": "account", "key": 5}, True),
        ({"kind": "device", "key": 5}, {"kind": "device", "key": 5}, False),
        ({"kind": "person", "key": "5"}, {"kind": "account", "key": 6}, False),
        ({"kind": "service", "key": "auth", "on_behalf_of": 5}, {"kind": "api_key", "key": "x"}, True),
        ({"kind": "service", "key": "auth", "on_behalf_of": 6}, {"kind": "api_key", "key": "x"}, False),
    ],
)
def test_an_account_s_own_are_its_acts_and_what_was_done_to_it(
    actor: dict[str, Any], asset: dict[str, Any], is_own: bool
) -> None:
    assert rules.concerns(5, actor, asset) is is_own


SEALED = {"personal": {"account_key": 5, "sealed": "abc"}}


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (None, 0),
        ({"a": SEALED, "b": [SEALED, {"c": SEALED}]}, 3),
        ({"personal": {"account_key": 5}}, 0),
        ({"personal": {"account_key": 5, "sealed": "abc"}, "more": 1}, 0),
        ({"personal": "abc"}, 0),
    ],
)
def test_personal_values_are_found_wherever_they_are(value: Any, count: int) -> None:
    assert rules.personal_values(value) == [SEALED["personal"]] * count


@pytest.mark.parametrize(
    ("opened", "shown"),
    [({}, rules.SEALED), ({(5, "abc"): "text"}, "text"), ({(5, "abc"): rules.ERASED}, rules.ERASED)],
)
def test_personal_values_are_shown_where_they_were(opened: dict[tuple[int, str], Any], shown: Any) -> None:
    entry = {"after": {"list": [SEALED, 1], "other": {"personal": 1}}, "reason": None}

    assert rules.with_opened(entry, opened) == {"after": {"list": [shown, 1], "other": {"personal": 1}}, "reason": None}
