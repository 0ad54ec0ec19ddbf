"""What becomes of an app that a group is to have, on one device: the device's own wish wins."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from attrs import evolve

from services.devices.records.apps import AppOnDevice, AppRelease
from services.devices.records.group_apps import Applied, GroupApp
from services.devices.rules.group_apps import Step, flags, sets_environment, step, target_of
from shared.errors import NotSupportedError
from tests.unit.devices.test_rollout_rules import app

NOW = datetime(2026, 11, 30, tzinfo=UTC)
OLD, NEW, OTHER = AppRelease(260, "1.0.0"), AppRelease(261, "1.1.0"), AppRelease(262, "1.2.0")
WANTED = GroupApp(4, 26, "PROD", "Press", "RUNNING", NEW, None, 5, None, NOW, 2)
BEFORE = Applied("applied", 1, "RUNNING", 260, None)


def here(release: AppRelease = OLD, **changes: Any) -> AppOnDevice:
    return app(release=release, **changes)


@pytest.mark.parametrize(
    ("found", "applied", "what"),
    [
        (None, None, Step.INSTALL),
        (here(target="UNINSTALLED"), None, Step.INSTALL),
        (None, Applied("refused", 1, None, None, None), Step.INSTALL),
        (None, BEFORE, Step.LEAVE),  # somebody took it away
        (None, Applied("own", 1, None, None, None), Step.LEAVE),
        (None, Applied("refused", 1, "RUNNING", 260, None), Step.LEAVE),
        (here(NEW), None, Step.KEEP),
        (here(NEW), BEFORE, Step.KEEP),
        (here(OLD), None, Step.LEAVE),  # it was there before the group's wish
        (here(OLD), BEFORE, Step.CHANGE),
        (here(OLD), Applied("refused", 1, "RUNNING", 260, None), Step.CHANGE),
        (here(OTHER), BEFORE, Step.LEAVE),
        (here(OLD, target="PRESENT"), BEFORE, Step.LEAVE),  # somebody stopped it
        (here(NEW, target="PRESENT"), Applied("own", 1, None, None, None), Step.LEAVE),
    ],
)
def test_what_is_done_on_a_device(found: AppOnDevice | None, applied: Applied | None, what: Step) -> None:
    assert step(WANTED, found, applied) is what


@pytest.mark.parametrize(
    ("wanted", "found", "before", "is_set"),
    [
        (None, None, None, False),
        (b"new", None, None, True),
        (b"new", b"old", b"old", True),
        (b"new", b"own", b"old", False),
        (b"new", b"own", None, False),
        (None, b"old", b"old", True),  # the group has none any more
        (None, b"own", None, False),
    ],
)
def test_variables_of_the_device_stay(
    wanted: bytes | None, found: bytes | None, before: bytes | None, is_set: bool
) -> None:
    applied = evolve(BEFORE, environment=before)

    assert sets_environment(evolve(WANTED, environment=wanted), here(environment=found), applied) == is_set


def test_what_is_to_go_has_no_variables() -> None:
    assert sets_environment(evolve(WANTED, environment=b"new"), here(target="UNINSTALLED", environment=b"x"), None)


@pytest.mark.parametrize(
    ("wanted", "before", "needed"),
    [
        (None, None, ("INSTALL",)),
        (b"new", None, ("INSTALL", "DEVELOP")),
        (None, b"old", ("INSTALL", "DEVELOP")),
        (b"new", b"old", ("INSTALL", "DEVELOP")),
    ],
)
def test_variables_are_set_and_taken_away_by_who_may_develop(
    wanted: bytes | None, before: bytes | None, needed: tuple[str, ...]
) -> None:
    app = evolve(WANTED, environment=wanted)
    applied = evolve(BEFORE, environment=before)
    assert flags(app, applied, needs_develop=False) == needed
    assert flags(app, None, needs_develop=False) == (("INSTALL",) if wanted is None else needed)
    assert flags(app, applied, needs_develop=True) == ("INSTALL", "DEVELOP")


def test_nothing_is_built() -> None:
    assert [target_of("PRESENT"), target_of("RUNNING")] == ["PRESENT", "RUNNING"]
    for asked in ("BUILT", "PUBLISHED"):
        with pytest.raises(NotSupportedError, match="devices build nothing"):
            target_of(cast("Any", asked))
