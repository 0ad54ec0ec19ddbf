"""When devices are let in, and who is sent off."""

from ironflock_router.readiness import FRESH_S, SYSTEM_SHUTDOWN, AgentProcedures
from ironflock_router.wire_names import AGENT_PROCEDURES, UPDATE_DEVICE_STATUS

KEY = "reswarm.devices.get_app_cred_key"


class Device:
    """A device's session."""

    def __init__(self, joined_at: float) -> None:
        """Joined at that time."""
        self.joined_at = joined_at
        self.left: list[str | None] = []

    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """Note the reason."""
        assert message
        self.left.append(reason)


class Case:
    """A set of registered procedures, and a clock."""

    def __init__(self) -> None:
        """Everything is registered."""
        self.registered = set(AGENT_PROCEDURES)
        self.time = 1000.0
        self.procedures = AgentProcedures(self.registered.__contains__, lambda: self.time)
        self.changes: list[list[str]] = []
        self.procedures.on_change.append(self.changes.append)
        self.procedures.look()

    def is_open(self) -> bool:
        """Asked anew each time."""
        return not self.procedures.look()

    def device(self, joined_at: float = 0.0) -> Device:
        """A joined device."""
        device = Device(joined_at)
        self.procedures.joined(device)
        return device


def test_the_gate_is_open_while_every_procedure_is_registered() -> None:
    case = Case()
    assert case.is_open()
    for uri in AGENT_PROCEDURES:
        case.registered.discard(uri)
        assert not case.is_open()
        assert case.procedures.missing() == [uri]
        case.registered.add(uri)
        assert case.is_open()


def test_changes_are_told_once() -> None:
    case = Case()
    case.registered.discard(KEY)
    for _ in range(3):
        case.procedures.look()
    case.registered.add(KEY)
    for _ in range(3):
        case.procedures.look()
    assert case.changes == [[], [KEY], []]


def test_who_asked_in_vain_is_sent_off_when_all_are_back() -> None:
    case = Case()
    asked, other = case.device(), case.device()
    case.registered.discard(KEY)
    case.procedures.called(asked, KEY)
    assert asked.left == []
    case.registered.add(KEY)
    case.procedures.look()
    assert asked.left == [SYSTEM_SHUTDOWN]
    assert other.left == []


def test_a_status_that_found_nobody_sends_nobody_off() -> None:
    case = Case()
    device = case.device()
    case.registered.discard(UPDATE_DEVICE_STATUS)
    case.procedures.called(device, UPDATE_DEVICE_STATUS)
    case.registered.add(UPDATE_DEVICE_STATUS)
    case.procedures.look()
    assert device.left == []


def test_who_joined_shortly_before_the_loss_is_sent_off() -> None:
    case = Case()
    fresh, settled = case.device(case.time - FRESH_S), case.device(case.time - FRESH_S - 1)
    case.registered.discard(KEY)
    case.procedures.look()
    case.registered.add(KEY)
    case.procedures.look()
    assert fresh.left == [SYSTEM_SHUTDOWN]
    assert settled.left == []


def test_who_has_left_is_not_sent_off() -> None:
    case = Case()
    device = case.device()
    case.registered.discard(KEY)
    case.procedures.called(device, KEY)
    case.procedures.left(device)
    case.registered.add(KEY)
    case.procedures.look()
    assert device.left == []


def test_a_call_that_is_served_or_of_something_else_is_not_remembered() -> None:
    case = Case()
    device = case.device()
    case.procedures.called(device, KEY)
    case.procedures.called(device, "wamp.session.add_testament")
    case.registered.clear()
    case.procedures.look()
    case.registered.update(AGENT_PROCEDURES)
    case.procedures.look()
    assert device.left == []
