"""The port that an agent asks for: its own each time, nobody else's, with the wire's own shape."""

import asyncio

import pytest

from services.tunnels.records.offers import Offer, TunnelName, TunnelProtocol
from services.tunnels.records.tunnels import ExposePort
from shared.errors import AlreadyExistsError, InvalidArgumentError, OverLimitError
from shared.procedures import declared, public_errors
from tests.integration.tunnels.rooms import CRANE, PRESS, Rooms, agent
from tests.unit.shared.memory_router import call_details

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def asked(rooms: Rooms, port: int = 0, device: int = PRESS, protocol: str = "tcp") -> int:
    found = await rooms.agents.expose_port(agent(device), ExposePort(port, protocol))  # type: ignore[arg-type]
    return int(found.remote_port)


async def test_it_answers_as_the_agent_reads_it(rooms: Rooms) -> None:
    [(declaration, method)] = declared(rooms.agents)
    invoke = public_errors(declaration, method)
    details = call_details("device", "3-42")

    assert await invoke({"port": 0, "protocol": "udp", "more": 1}, details=details) == {"remote_port": 7500}


async def test_the_same_question_has_the_same_answer_and_is_recorded_once(rooms: Rooms) -> None:
    first = await asked(rooms)

    assert [await asked(rooms, first) for _ in range(3)] == [first] * 3
    [(action, outcome, actor, after)] = rooms.entries()
    assert (action, outcome, actor["kind"], actor["key"]) == ("tunnel.port_allotted", "done", "device", PRESS)
    assert after == {"protocol": "tcp", "remote_port": 7500}


async def test_each_protocol_and_each_question_has_its_own(rooms: Rooms) -> None:
    assert [await asked(rooms), await asked(rooms), await asked(rooms, protocol="udp")] == [7500, 7501, 7500]


async def test_devices_that_ask_at_once_get_different_ones(rooms: Rooms) -> None:
    found = await asyncio.gather(*(asked(rooms, device=key) for key in range(1, 11)))

    assert sorted(found) == list(range(7500, 7510))
    with pytest.raises(OverLimitError):
        await asked(rooms, device=11)


async def test_what_another_device_has_is_refused_and_recorded_under_who_asked(rooms: Rooms) -> None:
    theirs = await asked(rooms)

    for _ in range(3):
        with pytest.raises(AlreadyExistsError, match=r"^(?!.*Duplicate value)"):  # which an agent takes for a yes
            await asked(rooms, theirs, CRANE)

    refusals = [each for each in rooms.entries() if each[0] == "tunnel.impersonated"]
    assert len(refusals) == 1, "once a minute"
    assert refusals[0][1:] == ("refused", refusals[0][2], {"protocol": "tcp", "remote_port": theirs, "count": 1})
    assert (refusals[0][2]["kind"], refusals[0][2]["key"]) == ("device", CRANE)
    assert await asked(rooms, theirs) == theirs


async def test_after_a_day_without_use_a_port_is_anybody_s_unless_it_is_offered(rooms: Rooms) -> None:
    port = await asked(rooms)
    rooms.postgres.run(
        "UPDATE tunnels.remote_port SET asked_at = now() - interval '25 h', used_at = now() - interval '25 h'"
    )
    name = TunnelName(PRESS, "ssh", 22, TunnelProtocol.TCP)
    rooms.offered.offers[name] = Offer(PRESS, 3, "ssh", 22, TunnelProtocol.TCP, "42-ssh-22-tcp", port)
    with pytest.raises(AlreadyExistsError):
        await asked(rooms, port, CRANE)
    del rooms.offered.offers[name]

    assert await asked(rooms, port, CRANE) == port


async def test_a_port_that_is_none_is_refused_and_not_recorded(rooms: Rooms) -> None:
    with pytest.raises(InvalidArgumentError):
        await asked(rooms, 22)

    assert rooms.entries() == []
