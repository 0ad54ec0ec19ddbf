"""Health of a process."""

from shared.health import Health


def test_a_process_is_not_ready_before_all_of_it_is_known() -> None:
    health = Health("bus", "database")
    assert not health.ready()

    health.set("bus", ok=True)
    assert not health.ready()

    health.set("database", ok=True)
    assert health.ready()


def test_a_process_that_knows_nothing_of_itself_is_not_ready() -> None:
    assert not Health().ready()


def test_the_report_says_why_not() -> None:
    health = Health("database")
    health.set("bus", ok=True)
    health.set("database", ok=False, reason="away")

    assert health.report() == {
        "ready": False,
        "parts": {"bus": {"ok": True, "reason": ""}, "database": {"ok": False, "reason": "away"}},
    }


def test_of_parts_of_which_one_is_enough_one_has_to_be_well() -> None:
    health = Health()
    health.set("bus in cell first", ok=False, reason="away", one_of="bus")
    assert not health.ready()

    health.set("bus in cell second", ok=True, one_of="bus")
    assert health.ready()
    health.set("database", ok=False)
    assert not health.ready()
    health.set("database", ok=True)
    health.set("bus in cell second", ok=False, one_of="bus")
    assert not health.ready()


def test_a_part_that_is_well_again_forgets_its_reason() -> None:
    health = Health("bus")
    health.set("bus", ok=False, reason="away")
    health.set("bus", ok=True)

    assert health.report() == {"ready": True, "parts": {"bus": {"ok": True, "reason": ""}}}
