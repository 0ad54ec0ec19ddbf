"""Traces of a whole platform, as a collector gets them: whole, ours alone, and without anything about anybody."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.tracing import Attribute
from tests.harness.clients import Account, new_name, refusal, run_aside
from tests.harness.collector import Collector, Seen
from tests.harness.placed_apps import IMAGE
from tests.harness.rest import RestClient
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.flockctl.certificates import make_certificates

pytestmark = pytest.mark.real

STRANGERS = "0af7651916cd43dd8448eb211c80319c"
ENTIRE = re.compile(r"(ironflock|wamp|reswarm)(\.[a-z0-9_*]+)+")
MAKING, CREATE = "POST /swarms/{swarm_key}/devices", "ironflock.devices.device.create"
ASK, TELL = "ironflock.auth.assertion.issue", "ironflock.privileges.asset.put"
START = f"gateway {MAKING}"
MADE = (START, f"gateway {CREATE}", f"devices {CREATE}")
KEYS = ("auth GET /oauth/jwks",)
VERIFY, FIND = "ironflock.auth.ticket.verify", "ironflock.auth.device_credential.find"
DONE = {
    KEYS,
    *(
        (f"router join {path}", f"router {asked}", f"auth {asked}", "auth query")
        for path, asked in (("/ws-usr", VERIFY), ("/ws-re-dev", FIND))
    ),
    ("tunnels visit websocket",),
    ("provisioner job provision make",),
}
WHOLE = {
    (START, f"gateway {ASK}", f"auth {ASK}", "auth query"),
    (*MADE, "devices transaction"),
    (*MADE, "devices outbox assets", f"devices {TELL}", f"privileges {TELL}", "privileges transaction"),
}
PERSON, PLANT, PRESS = "Erika Mustermann", "PLANT-BY-THE-RIVER", "press-of-erika"


@pytest.fixture(name="collector", scope="module")
def fixture_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, str]]:
    certificates = make_certificates(tmp_path_factory.mktemp("collector"))
    with Collector(certificates) as collector:
        yield collector, str(certificates.ca)


@pytest.fixture(name="platform", scope="module")
def fixture_platform(collector: tuple[Collector, str]) -> Iterator[RunningPlatform]:
    """A platform that keeps every trace."""
    running = RunningPlatform()
    told = {"ENDPOINT": collector[0].url, "CA_FILE": collector[1], "SAMPLE_RATIO": "1"}
    running.environment |= {f"IRONFLOCK_LOCAL_OTLP_{name}": value for name, value in told.items()}
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(name="spans", scope="module")
def fixture_spans(platform: RunningPlatform, collector: tuple[Collector, str]) -> list[Seen]:
    """What came of a project, a device and what is refused; the stranger says that all is part of a trace of theirs."""
    client = RestClient(platform, platform.owner_key)
    strange = {
        "traceparent": f"00-{STRANGERS}-b7ad6b7169203331-01",
        "tracestate": f"name={PERSON.split(maxsplit=1)[0]}",
    }
    body = {"name": PLANT, "description": PERSON}
    made = client.ask("POST", "/swarms", body, **strange)
    assert made.status == 201, made
    project = made.json["project_key"]
    device = client.ask("POST", f"/swarms/{project}/devices", {"name": PRESS}, **strange)
    assert device.status == 201, device
    assert client.ask("GET", f"/devices/{device.json['device_key']}?{PRESS}=1", **strange).status == 422
    assert client.ask("GET", "/devices/999999", **strange).status == 404
    keys = f"https://localhost:{platform.ports.accounts}/oauth/jwks"
    with urllib.request.urlopen(keys, context=platform.tls, timeout=10) as shown:
        assert shown.status == 200
    joined_visited_and_provisioned(platform, int(project), device.json["device_key"])
    wait_until(lambda: chains(collector[0].spans()) >= {*WHOLE, *DONE}, 30.0, "what is waited for is there")
    return collector[0].spans()


def joined_visited_and_provisioned(platform: RunningPlatform, project: int, device: int) -> None:
    """A person who joins, a device that guesses its secret, a visitor who shows nothing, and a backend to be made."""
    owner = Account(platform, platform.owner_key)
    app = owner.call("ironflock.realms.app.create", name=new_name("Monitor"))["app_key"]
    release = {"app": app, "version": "1.0.0", "image": IMAGE, "data_template": {"data": {"tables": []}}}
    owner.call("ironflock.realms.release.create", **release)
    owner.call("ironflock.realms.install.create", project=project, app=app, stage="PROD")
    guessed = run_aside(refusal(platform, "/ws-re-dev", "realm1", f"{project}-{device}", "guessed"))
    assert guessed[0] == "wamp.error.authentication_failed"
    nobodys = f"https://localhost:{platform.ports.visitors}/visit/{PRESS}/ssh/22"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(nobodys, context=platform.tls, timeout=10)


def chains(spans: list[Seen]) -> set[tuple[str, ...]]:
    """Each span with those above it, as far as they have come; the first is the trace's root."""
    by_id = {each.span: each for each in spans}

    def chain(span: Seen) -> tuple[str, ...]:
        above = chain(by_id[span.parent]) if span.parent in by_id else () if not span.parent else ("?",)
        return (*above, f"{span.service} {span.name}")

    return {chain(each) for each in spans}


def test_one_request_is_one_trace_from_the_gateway_to_the_databases(spans: list[Seen]) -> None:
    [root] = [each for each in spans if each.name == MAKING]
    whole = [each for each in spans if each.trace == root.trace]

    assert root.parent == ""
    assert root.attributes == {Attribute.METHOD: "POST", Attribute.ROUTE: MAKING[5:], Attribute.STATUS: 201}
    assert chains(whole) >= WHOLE


def test_a_refusal_says_its_code_and_is_no_fault(spans: list[Seen]) -> None:
    found = [each for each in spans if each.name == "ironflock.devices.device.show"]

    assert {each.attributes[Attribute.REFUSED] for each in found} == {"not_found"}
    assert not any(each.is_fault for each in found)


def test_a_guessed_secret_is_an_answer_and_no_fault(spans: list[Seen]) -> None:
    refused = [each for each in spans if each.name == "join /ws-re-dev"]
    visits = [each for each in spans if each.name == "visit websocket"]

    assert {each.attributes[Attribute.REFUSED] for each in refused} == {"wrong_proof"}
    assert {each.attributes[Attribute.REFUSED] for each in visits} == {"sign_in_refused"}
    assert not any(each.is_fault for each in (*refused, *visits))


def test_nobody_from_outside_chooses_a_trace(spans: list[Seen]) -> None:
    assert STRANGERS not in {each.trace for each in spans}


def test_spans_say_what_is_on_the_list_and_nothing_about_anybody(
    platform: RunningPlatform, collector: tuple[Collector, str], spans: list[Seen]
) -> None:
    secrets = {
        line.strip()
        for file in platform.state.secrets.rglob("*")
        if file.is_file()
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        if len(line.strip()) >= 12
    }
    planted = {PERSON, "Mustermann", PLANT, PRESS, "owner@localhost", "127.0.0.1", platform.owner_key, *secrets}
    sent = b"".join(collector[0].contents)

    assert len(secrets) > 10
    assert [each for each in planted if each.encode() in sent] == []
    assert {name for each in spans for name in each.attributes} <= set(Attribute)
    assert all(ENTIRE.fullmatch(each.attributes.get(Attribute.PROCEDURE, "wamp.x")) for each in spans)


def test_a_line_of_the_log_leads_to_its_trace(platform: RunningPlatform, spans: list[Seen]) -> None:
    [root] = [each for each in spans if each.name == "POST /swarms"]
    text = (platform.state.log / "gateway.log").read_text(encoding="utf-8")
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines() if "trace_id" in line]
    answered = [each for each in lines if each["event"] == "request_answered" and each["status"] == 201]

    assert root.trace in {each["trace_id"] for each in answered}
    assert STRANGERS not in {each["trace_id"] for each in answered}


def test_what_was_sent_is_counted(platform: RunningPlatform, spans: list[Seen]) -> None:
    port = platform.ports.operations["gateway"]
    with urllib.request.urlopen(f"https://localhost:{port}/metrics", context=platform.tls, timeout=10) as page:
        families = text_string_to_metric_families(page.read().decode())
    counted = {
        each.labels["outcome"]: each.value
        for family in families
        for each in family.samples
        if each.name == "ironflock_spans_total"
    }

    assert counted.keys() == {"sent"}
    assert counted["sent"] >= sum(each.service == "gateway" for each in spans)
