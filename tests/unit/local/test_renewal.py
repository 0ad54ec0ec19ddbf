"""The renewal goes on whatever happens, and says what does not go well."""

import datetime as dt
import os
from pathlib import Path

import pytest
from attrs import define, evolve, field
from twisted.internet.task import Clock

from deploy.local import background
from deploy.local.authority import Authority, Order, ensure_authority, hosts_of, is_due, issue, load_authority
from deploy.local.records import RUNNING, PlatformRecord, write_record
from deploy.local.renewal import LOOK_S, Renewal, Surroundings
from deploy.local.settings import local_settings
from deploy.local.state import LauncherLock, StateFolder
from deploy.local.succession import have_next_sign, have_next_trusted

NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
LIFE = dt.timedelta(hours=48)
EVERY_S = 60.0


@define
class Told:
    """What a renewal told, and to whom."""

    said: list[str] = field(factory=list)
    renewed: list[str] = field(factory=list)
    changed: list[str] = field(factory=list)


def order_in(folder: Path, name: str) -> Order:
    folder.mkdir(exist_ok=True)
    return Order(folder / f"{name}.pem", folder / f"{name}.key", hosts_of("localhost"), LIFE)


@pytest.fixture(name="authority")
def fixture_authority(tmp_path: Path) -> Authority:
    return ensure_authority(tmp_path, NOW)


def renewal_of(folder: Path, orders: list[Order], clock: Clock, told: Told) -> Renewal:
    around = Surroundings(
        clock, lambda: NOW, told.said.append, lambda: told.renewed.append(""), lambda: told.changed.append("")
    )
    made = Renewal(folder, orders, around)
    made.start(EVERY_S)
    return made


def test_given_a_certificate_that_cannot_be_written_then_it_is_told_once_the_others_are_renewed_and_it_is_tried_again(
    authority: Authority, tmp_path: Path
) -> None:
    clock, told = Clock(), Told()
    broken, sound = order_in(tmp_path / "gone", "router"), order_in(tmp_path / "tls", "auth")
    broken.certificate.parent.rmdir()
    renewal = renewal_of(tmp_path, [broken, sound], clock, told)

    clock.pump([EVERY_S, EVERY_S, EVERY_S])

    assert not is_due(authority, sound, NOW)
    assert renewal.problem.startswith("router: FileNotFoundError")
    assert [line.partition(":")[0] for line in told.said] == [
        "certificates could not be renewed, to be tried again",
        "renewed the certificates of auth",
    ]
    assert len(told.changed) == len(told.renewed) == 1

    broken.certificate.parent.mkdir()
    clock.advance(EVERY_S)

    assert not is_due(authority, broken, NOW)
    assert renewal.problem == ""
    assert told.said[2:] == ["all certificates can be renewed again", "renewed the certificates of router"]


def test_an_error_that_nobody_thought_of_does_not_end_the_loop(authority: Authority, tmp_path: Path) -> None:
    clock, told = Clock(), Told()
    # hosts of another kind: no certificate can be made of them, and that is no OSError
    orders = [evolve(order_in(tmp_path / "tls", "router"), hosts=(7,))]  # type: ignore[arg-type]
    renewal = renewal_of(tmp_path, orders, clock, told)

    clock.pump([EVERY_S, EVERY_S])
    orders[0] = order_in(tmp_path / "tls", "router")
    clock.advance(EVERY_S)

    assert "router" in told.said[0]
    assert not is_due(authority, orders[0], NOW)
    assert renewal.problem == ""


def test_given_another_ca_that_signs_then_all_is_issued_anew_within_a_second(
    authority: Authority, tmp_path: Path
) -> None:
    clock, told, order = Clock(), Told(), order_in(tmp_path / "tls", "router")
    issue(authority, order, NOW)
    renewal_of(tmp_path, [order], clock, told)
    have_next_trusted(tmp_path, NOW, name="next")
    clock.advance(LOOK_S)
    assert not is_due(authority, order, NOW)

    have_next_sign(tmp_path)
    clock.advance(LOOK_S)

    assert is_due(authority, order, NOW)
    assert not is_due(load_authority(tmp_path), order, NOW)
    assert told.renewed


def test_after_its_stop_nothing_is_renewed(authority: Authority, tmp_path: Path) -> None:
    clock, order = Clock(), order_in(tmp_path / "tls", "router")
    renewal = renewal_of(tmp_path, [order], clock, Told())

    renewal.stop()
    renewal.stop()
    clock.advance(EVERY_S)

    assert is_due(authority, order, NOW)


def test_the_status_says_so_and_is_not_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = StateFolder(tmp_path)
    monkeypatch.setattr(background, "unready", lambda *_: {})
    monkeypatch.setattr(background, "launcher_pid", lambda _: os.getpid())
    settings = local_settings({"IRONFLOCK_LOCAL_STATE": str(tmp_path)})
    record = PlatformRecord(RUNNING, os.getpid(), 8440, (), "router: OSError: disk full")

    with LauncherLock(state.lock):
        write_record(state.processes, record)
        lines, is_well = background.status(settings)
        write_record(state.processes, evolve(record, renewal_problem=""))
        _, was_mended = background.status(settings)

    assert (is_well, was_mended) == (False, True)
    assert "router: OSError: disk full" in lines[-1]
