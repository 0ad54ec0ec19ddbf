"""Component `second-cell`: every service is told of both routers by names of theirs, each router of its cell."""

import copy
from collections.abc import Callable
from typing import Any

from shared.cells import parse_cells
from tests.harness.kubernetes import Manifest
from tests.unit.kubernetes.processes import Started, mounts
from tests.unit.kubernetes.test_reach import SERVICES
from tests.unit.kubernetes.test_settings import ours

ROUTERS = {"first": "router", "second": "router-second"}


def routers(manifests: list[Manifest]) -> dict[str, Started]:
    return {each.workload: each for each in ours(manifests) if each.prefix == "ROUTER"}


def services(manifests: list[Manifest]) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == "Service"}


def test_every_service_is_told_of_every_cell(render: Callable[[str], list[Manifest]]) -> None:
    manifests = render("scale-out")
    told = {
        each.workload: parse_cells(each.environ[f"IRONFLOCK_{each.prefix}_BUS_URL"])
        for each in ours(manifests)
        if f"IRONFLOCK_{each.prefix}_BUS_URL" in each.environ
    }

    assert told.keys() == SERVICES | {"doctor"}
    [cells] = set(told.values())
    assert [each.name for each in cells] == list(ROUTERS)
    for each in cells:
        pod, service = each.url.removeprefix("wss://").split(".")[:2]
        assert pod == f"{ROUTERS[each.name]}-0"
        assert services(manifests)[service]["spec"]["selector"] == {"app.kubernetes.io/name": ROUTERS[each.name]}
        assert services(manifests)[service]["spec"]["publishNotReadyAddresses"]


def test_each_router_knows_which_cell_it_is(render: Callable[[str], list[Manifest]]) -> None:
    found = {
        name: each.environ.get("IRONFLOCK_ROUTER_CELL", "first") for name, each in routers(render("scale-out")).items()
    }

    assert found == {name: cell for cell, name in ROUTERS.items()}


def test_nobody_who_comes_from_outside_reaches_two_cells_by_one_name(render: Callable[[str], list[Manifest]]) -> None:
    manifests = render("scale-out")

    for name in ROUTERS.values():
        service = services(manifests)[name]["spec"]
        assert (service["type"], service["selector"]) == ("LoadBalancer", {"app.kubernetes.io/name": name})


def test_the_second_router_is_the_first_one_s_like(render: Callable[[str], list[Manifest]]) -> None:
    """Whatever base and overlay give to the first one, the second one has: only names and the cell differ."""
    first, second = (routers(render("scale-out"))[name] for name in ROUTERS.values())

    assert alike(second) == alike(first)
    assert second.pod["spec"].keys() == first.pod["spec"].keys()
    assert set(mounts(second)) == set(mounts(first))


def alike(process: Started) -> dict[str, Any]:
    container = copy.deepcopy(process.container)
    own = {"IRONFLOCK_ROUTER_CELL", "IRONFLOCK_ROUTER_HOST"}
    container["env"] = [each for each in container["env"] if each["name"] not in own]
    return container


def test_the_figures_of_each_cell_are_read_and_told_apart(render: Callable[[str], list[Manifest]]) -> None:
    manifests = render("scale-out")
    [monitor] = [
        each for each in manifests if each["kind"] == "ServiceMonitor" and each["metadata"]["name"] == "router"
    ]
    wanted = monitor["spec"]["selector"]["matchLabels"]
    read = [each for each in services(manifests).values() if wanted.items() <= each["metadata"]["labels"].items()]

    assert {each["metadata"]["labels"]["ironflock.io/cell"] for each in read} == ROUTERS.keys()
    assert {each["spec"]["selector"]["app.kubernetes.io/name"] for each in read} == set(ROUTERS.values())
    [end] = monitor["spec"]["endpoints"]
    certified = [
        each["spec"]["dnsNames"]
        for each in manifests
        if each["kind"] == "Certificate" and each["metadata"]["name"] in {f"{name}-inside" for name in ROUTERS.values()}
    ]
    assert [end["tlsConfig"]["serverName"] in names for names in certified] == [True, True]
    assert end["relabelings"][0]["targetLabel"] == "cell"


def test_each_router_may_be_away_once(render: Callable[[str], list[Manifest]]) -> None:
    budgets = {
        each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]: each["spec"]["maxUnavailable"]
        for each in render("scale-out")
        if each["kind"] == "PodDisruptionBudget"
    }

    assert {name: budgets[name] for name in ROUTERS.values()} == dict.fromkeys(ROUTERS.values(), 1)
