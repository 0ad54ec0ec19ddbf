"""From a file to steps: on a platform in memory, whatever it has and whatever the file says."""

import asyncio
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.flockctl.commands.applying import _do
from deploy.flockctl.fleet.document import Fleet
from deploy.flockctl.fleet.gathering import gather
from deploy.flockctl.fleet.steps import Plan, Sign, plan
from deploy.flockctl.operator import Operator
from shared.errors import NotFoundError
from tests.unit.flockctl.fleet.model import ME, Model

ANNA, BERT = "anna@example.com", "bert@example.com"
APPS = {"press": 4, "weather": 5}
UNTIL = "2027-01-31T17:00:00+00:00"


def fleet_of(projects: dict[str, Any]) -> Fleet:
    return msgspec.convert({"projects": projects}, Fleet)


def planned(model: Model, fleet: Fleet, *, prune: bool = False) -> Plan:
    found = asyncio.run(gather(cast(Operator, model), fleet))
    return plan(fleet, found, prune=prune)


def applied(model: Model, fleet: Fleet, *, prune: bool = False) -> Plan:
    made = planned(model, fleet, prune=prune)
    for number, step in enumerate(made.steps):
        asyncio.run(_do(cast(Operator, model), step, number, len(made.steps)))
    return made


FLAGS = st.lists(st.sampled_from(["READ", "OPERATE", "GRANT"]), min_size=1, max_size=3, unique=True)
PEOPLE = st.sampled_from([ANNA, BERT, ME])
GRANTS = st.dictionaries(PEOPLE, FLAGS | st.fixed_dictionaries({"flags": FLAGS, "until": st.just(UNTIL)}), max_size=3)
VERSIONS = st.sampled_from([None, "1.0.0", "1.1.0"])
STAGED = st.fixed_dictionaries({"prod": st.fixed_dictionaries({"version": VERSIONS})})
ON_DEVICE = st.none() | st.fixed_dictionaries({"version": VERSIONS, "running": st.sampled_from([None, True, False])})
DEVICE = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "apps": st.dictionaries(st.sampled_from([*APPS]), st.fixed_dictionaries({"prod": ON_DEVICE})),
        "grants": GRANTS,
    },
)
DEVICES = st.fixed_dictionaries(dict.fromkeys(("press-1", "Press-2", "press-3"), DEVICE))
GROUP = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "devices": st.lists(st.sampled_from(["press-1", "press-2", "PRESS-3"]), unique=True),
        "grants": GRANTS,
    },
)
PROJECT = st.fixed_dictionaries(
    {"devices": DEVICES, "apps": st.fixed_dictionaries(dict.fromkeys(APPS, STAGED))},
    optional={
        "require_factor": st.booleans(),
        "require_same_address": st.booleans(),
        "members": st.lists(st.sampled_from([ANNA, BERT.upper()]), unique=True),
        "groups": st.dictionaries(st.sampled_from(["line-4", "plant"]), GROUP),
        "defaults": st.dictionaries(st.sampled_from(["device", "group"]), FLAGS),
        "grants": GRANTS,
    },
)
FLEETS = st.dictionaries(st.sampled_from(["plant", "yard"]), PROJECT, max_size=2).map(fleet_of)


@given(FLEETS, FLEETS, st.booleans())
def test_the_same_file_again_asks_for_nothing(before: Fleet, fleet: Fleet, prune: bool) -> None:
    model = Model(**APPS)
    applied(model, before)
    model.invitations_are_accepted()

    applied(model, fleet, prune=prune)

    again = planned(model, fleet, prune=prune)
    assert again.steps == []
    model.invitations_are_accepted()
    applied(model, fleet, prune=prune)
    assert planned(model, fleet, prune=prune).steps == []


@given(FLEETS, FLEETS)
def test_nothing_is_taken_unless_it_is_asked_for(before: Fleet, fleet: Fleet) -> None:
    model = Model(**APPS)
    applied(model, before)

    assert all(step.sign is not Sign.TAKE for step in planned(model, fleet).steps)


@given(FLEETS, FLEETS)
def test_nobody_shuts_themselves_out_by_a_file(before: Fleet, fleet: Fleet) -> None:
    model = Model(**APPS)
    applied(model, before)
    model.invitations_are_accepted()
    for project in model.projects.values():
        project.grants[ME, "GRANT"] = None

    taking = [step for step in planned(model, fleet, prune=True).steps if step.sign is Sign.TAKE]

    assert all(step.arguments.get("account") != ME for step in taking)


def test_an_app_that_is_not_there_is_said_before_anything_is_done() -> None:
    fleet = fleet_of({"plant": {"apps": {"absent": {"prod": {}}}}})

    with pytest.raises(NotFoundError, match="'absent'"):
        planned(Model(), fleet)


def test_flags_wait_for_whoever_has_not_accepted() -> None:
    fleet = fleet_of({"plant": {"members": [ANNA], "grants": {ANNA: ["READ"], BERT: ["READ"]}}})
    model = Model()

    first = applied(model, fleet)
    model.invitations_are_accepted()
    then = planned(model, fleet)

    assert [step.procedure.rpartition(".")[0] for step in first.steps] == [
        "ironflock.realms.project",
        "ironflock.privileges.invitation",
    ]
    assert [note.split()[0] for note in first.waiting] == [ANNA, BERT]
    assert "to be invited" in first.waiting[1]
    assert [step.text for step in then.steps] == ["READ for anna@example.com on project plant"]


def test_only_what_differs_is_said() -> None:
    model = Model(**APPS)
    device = {"apps": {"press": {"prod": {"version": "1.0.0", "running": True}}}}
    wanted: dict[str, Any] = {"apps": {"press": {"prod": {"version": "1.0.0"}}}, "devices": {"press-1": device}}
    applied(model, fleet_of({"plant": wanted}))
    wanted["devices"] = {"PRESS-1": {"apps": {"press": {"prod": {"version": "1.1.0", "running": False}}}}}
    wanted["groups"] = {"line-4": {"devices": ["press-1"]}}
    wanted["defaults"] = {"device": ["READ"]}

    texts = [f"{step.sign} {step.text}" for step in planned(model, fleet_of({"plant": wanted}), prune=True).steps]

    assert texts == [
        "+ group line-4 in plant",
        "+ device press-1 into group line-4 of plant",
        "~ app press becomes 1.1.0 (prod) on PRESS-1 of plant",
        "~ stop app press (prod) on PRESS-1 of plant",
        "+ READ for every member on each device of plant",
    ]
