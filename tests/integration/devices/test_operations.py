"""What people have devices do: exactly the flag lets them, the agent survives it, the log has it."""

import json
from typing import Any

import pytest
import pytest_asyncio
from attrs import frozen
from autobahn.wamp.exception import ApplicationError

from services.devices.procedures.logs import LogProcedures
from services.devices.procedures.networks import NetworkProcedures
from services.devices.procedures.operations import OperationProcedures
from services.devices.rules.operations import OPERATIONS
from shared.flags import AssetKind
from shared.identities import Credential, Person
from shared.procedures import declared, public_errors
from shared.scopes import EVERYTHING
from tests.integration.devices.stand_in import StandIn
from tests.integration.devices.world import ANNA, BERT, World
from tests.unit.shared.memory_router import call_details

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
FLAGS = (
    "READ", "UPDATE", "OPERATE", "INSTALL", "DEVELOP", "NETWORK", "MAINTAIN", "REMOTE_ACCESS", "GRANT", "DELETE",
)  # fmt: skip
VERBS = {operation.verb: operation for operation in OPERATIONS}
CHANGING = {verb for verb, each in VERBS.items() if each.flag != "READ"}
LOGS = ("logs", "app_logs", "app_log_history")
SECRET = "correct horse"
MAC = "02:00:00:00:00:01"
ETH: dict[str, Any] = {"interface": "eth0", "mac": MAC}
PRESS: dict[str, Any] = {"app": 26, "stage": "DEV"}
GOOD: dict[str, dict[str, Any]] = {
    "exec": {"command": "ls", "arguments": ["-l", ""], "timeout_s": 20},
    "prune_images": {"include_named": True},
    "set_address": {**ETH, "method": "manual", "address": "192.0.2.7", "prefix": 24},
    "add_wifi": {"ssid": "hall", "password": SECRET, "priority": 7, "mac": MAC, "security": "wpa-psk"},
    "remove_wifi": {"ssid": "hall"},
    "select_wifi": {"ssid": "hall", "mac": MAC},
    "logs": {"lines": 5, "since": "30m", "until": "2026-11-30T07:00:00Z", "level": "warn"},
    "app_logs": {**PRESS, "lines": 5, "offset": 1, "since": "1", "until": "2", "timestamps": True},
    "app_log_history": PRESS,
}
NO_TEXT: tuple[Any, ...] = (7, 1.5, True, None, [], {}, "")
NO_NUMBER: tuple[Any, ...] = ("5", 1.5, True, [], -1, 2**63)
BAD: dict[tuple[str, str], tuple[Any, ...]] = {
    ("exec", "command"): (*NO_TEXT, "a\x00b", "x" * 4097),
    ("exec", "arguments"): ("-l", 7, {}, [7], [None], [["a"]], ["a\x00"], ["x"] * 101),
    ("exec", "timeout_s"): (*NO_NUMBER, 0, 21, None),
    ("prune_images", "include_named"): ("true", 1, None, [], {}),
    ("set_address", "interface"): (*NO_TEXT, "eth0; reboot", "x" * 16),
    ("set_address", "mac"): (*NO_TEXT, "02:00", MAC + "\n"),
    ("set_address", "method"): (*NO_TEXT, "static", "AUTO"),
    ("set_address", "address"): (7, "", "192.0.2", "256.0.0.1", "192.0.2.1/24", "01.2.3.4", None),
    ("set_address", "prefix"): (*NO_NUMBER, 0, 33, None),
    ("add_wifi", "ssid"): (*NO_TEXT, "x" * 33, "a\nb"),
    ("add_wifi", "password"): (7, None, [], "a\nb", "x" * 65),
    ("add_wifi", "priority"): (*NO_NUMBER, None, 1000),
    ("add_wifi", "mac"): ("", 7, "zz:00:00:00:00:01"),
    ("remove_wifi", "ssid"): NO_TEXT,
    ("select_wifi", "mac"): NO_TEXT,
    ("logs", "lines"): (*NO_NUMBER, 0, 5001, None),
    ("logs", "since"): (7, "", "yesterday at noon", "1" * 41, []),
    ("logs", "level"): ("loud", 7, ""),
    ("app_logs", "offset"): (*NO_NUMBER, None),
    ("app_logs", "timestamps"): ("yes", 1, None),
    ("app_logs", "stage"): ("PUB", "dev", None, 7),
    ("app_log_history", "app"): (*NO_NUMBER, None, 0),
}
MALFORMED = [(verb, {**GOOD[verb], field: value}) for (verb, field), values in BAD.items() for value in values]
MALFORMED += [(verb, {**GOOD.get(verb, {}), "requestor_account_key": 1}) for verb in VERBS]
MALFORMED += [(verb, {name: GOOD[verb][name] for name in list(GOOD[verb])[1:]}) for verb in ("exec", "set_address")]


@frozen
class Place:
    """A device with an app, and its agent."""

    world: World
    key: int
    agent: StandIn

    async def ask(self, verb: str, person: Person = ANNA, **arguments: Any) -> Any:
        """As over the bus."""
        surfaces = (OperationProcedures, NetworkProcedures, LogProcedures)
        marked = [each for surface in surfaces for each in declared(surface(self.world.parts))]
        found = {declaration.uri.rpartition(".")[2]: (declaration, method) for declaration, method in marked}

        async def credential_of(_: int) -> Credential:
            return Credential("key-1", EVERYTHING)

        invoked = public_errors(*found[verb], None, credential_of)
        details = call_details("user", str(person.account_key))
        return await invoked(details=details, device=self.key, **arguments)

    async def refused(self, verb: str, person: Person = ANNA, **arguments: Any) -> ApplicationError:
        """How it was refused."""
        with pytest.raises(ApplicationError) as error:
            await self.ask(verb, person, **arguments)
        return error.value

    def recorded(self, action: str = "device.operated") -> list[tuple[Any, ...]]:
        """What the log has: who, what, how it ended, and why."""
        return self.world.postgres.rows(
            "SELECT actor ->> 'key', after, outcome, reason FROM audit.queue WHERE action = %s ORDER BY id", action
        )


@pytest_asyncio.fixture
async def place(world: World) -> Place:
    device = await world.create()
    await world.install("press-1")
    return Place(world, device.device_key, StandIn(world, device.device_key, device.serial_number))


@pytest.mark.parametrize("verb", VERBS)
async def test_exactly_its_flag_lets_a_person_do_it_and_without_it_the_agent_hears_nothing(
    place: Place, verb: str
) -> None:
    for flag in FLAGS:
        person = place.world.member(3, AssetKind.DEVICE, place.key, flag)
        if flag != VERBS[verb].flag:
            refusal = await place.refused(verb, person, **GOOD.get(verb, {}))
            assert refusal.error in ("ironflock.error.not_found", "wamp.error.not_authorized"), flag
            continue
        answer = await place.ask(verb, person, **GOOD.get(verb, {}))
        assert answer["device_key"] == place.key
    assert (await place.refused(verb, BERT, **GOOD.get(verb, {}))).error == "ironflock.error.not_found"

    assert place.agent.names() == [VERBS[verb].procedure]
    assert not place.agent.is_dead


@pytest.mark.parametrize("verb", VERBS)
async def test_every_call_names_its_person_and_every_change_is_recorded_before_and_after(
    place: Place, verb: str
) -> None:
    await place.ask(verb, **GOOD.get(verb, {}))

    [(_, args, kwargs)] = place.agent.heard
    assert kwargs == {"requestor_account_key": 5}
    assert len(args) == (1 if verb in GOOD else 0)
    ended = [(who, after["operation"], outcome) for who, after, outcome, _ in place.recorded()]
    assert ended == ([("5", verb, "intended"), ("5", verb, "done")] if verb in CHANGING else [])
    read = [after["log"] for _, after, _, _ in place.recorded("device_logs.read")]
    assert read == ([verb] if verb in LOGS else [])


async def test_malformed_calls_are_refused_and_none_reaches_the_agent(place: Place) -> None:
    assert len(MALFORMED) >= 100
    for verb, arguments in MALFORMED:
        refusal = await place.refused(verb, **arguments)
        assert refusal.error == "wamp.error.invalid_argument", (verb, arguments)

    assert place.agent.heard == []
    assert place.recorded() == []


async def test_a_wireless_password_is_in_no_log(place: Place) -> None:
    await place.ask("add_wifi", **GOOD["add_wifi"])

    assert place.agent.heard[0][1][0]["password"] == SECRET
    rows = place.world.postgres.rows("SELECT q::text FROM audit.queue q")
    assert SECRET not in json.dumps(rows)


async def test_a_device_that_is_away_is_a_conflict_that_says_so(place: Place) -> None:
    place.agent.leave()

    refusal = await place.refused("reboot")

    assert (refusal.error, refusal.kwargs["reason"]) == ("ironflock.error.conflict", "device_offline")
    assert [(outcome, reason) for _, _, outcome, reason in place.recorded()] == [
        ("intended", None),
        ("failed", "the device is not connected"),
    ]


async def test_what_the_agent_refuses_is_told_in_its_words(place: Place) -> None:
    def fails() -> None:
        raise ApplicationError("wamp.error.canceled", {"error": "no \x1b[31mdisk"})

    place.agent.instead["get_storage_data"] = fails

    refusal = await place.refused("storage")

    assert refusal.kwargs["reason"] == "device_refused"
    assert refusal.args[0] == "the device answered: no  [31mdisk"


async def test_an_answer_that_no_agent_gives_is_refused(place: Place) -> None:
    place.agent.instead["get_storage_data"] = lambda: "lots"

    assert (await place.refused("storage")).kwargs["reason"] == "device_answer"


async def test_an_app_that_is_not_on_the_device_has_no_log(place: Place) -> None:
    refusal = await place.refused("app_logs", app=77, stage="DEV")

    assert refusal.error == "ironflock.error.conflict"
    assert place.agent.heard == []


async def test_the_log_of_an_app_is_asked_for_by_its_containers_name(place: Place) -> None:
    await place.ask("app_logs", **PRESS)

    assert place.agent.heard[0][1][0]["containerName"] == "dev_26_press"
