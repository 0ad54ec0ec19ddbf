"""Every REST call, with a key, on a running platform."""

import base64
import http.client
import json
import uuid
from functools import reduce
from operator import getitem
from typing import Any, Final

import pytest
from attrs import field, frozen

from services.gateway.rules.routes import ROUTES
from tests.harness.accounts import Stranger
from tests.harness.clients import Account, new_name
from tests.harness.recorded import wait_until_integrated
from tests.harness.rest import BASE, Reply, RestClient
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.real


@frozen
class Step:
    """One call of the story; `keeps` takes values of the answer, also inner ones (`a.b`), for later calls.

    `by` is the first owner, or somebody else.
    """

    call: str
    body: Any = None
    query: str = ""
    status: int = 200
    code: str = ""
    keeps: dict[str, str] = field(factory=dict)
    by: str = "owner"


IMAGE: Final = f"registry.example.com/press@sha256:{'0a' * 32}"
MAC: Final = "02:00:00:00:00:01"
OFFLINE: Final[dict[str, Any]] = {"status": 409, "code": "conflict"}
"""The device has never been connected."""
ASKED: Final = {"asked": "invitation_key"}
# The first owner is not set up yet, so that their key may do what else needs a step-up; nor is the stranger.
STORY: Final = (
    Step("POST /swarms", {"name": "{plant}", "description": "all"}, status=201, keeps={"swarm_key": "project_key"}),
    Step("GET /swarms", query="limit=1000"),
    Step("GET /swarms/{swarm_key}"),
    Step("POST /swarms/{swarm_key}/devices", {"name": "press-1"}, status=201, keeps={"device_key": "device_key"}),
    Step(
        "POST /swarms/{swarm_key}/devices", [{"name": "press-2"}, {"name": "press-3"}],
        status=201, keeps={"devices": "devices"},
    ),
    Step("POST /swarms/{swarm_key}/devices", [{"name": "PRESS-1"}, {"name": "press-4"}], status=207),
    Step("GET /devices", query="project={swarm_key}&limit=1", keeps={"next": "next"}),
    Step("GET /devices", query="project={swarm_key}&limit=1&cursor={next}"),
    Step("GET /devices/{device_key}"),
    Step("PATCH /devices/{device_key}", {"name": "press-one"}),
    Step("PATCH /devices/{device_key}/tags", {"set": {"line": "4"}}),
    Step("GET /devices", query="project={swarm_key}&tag=line%3D4&status=DISCONNECTED&name=ress"),
    Step("POST /devices/{device_key}/flash", {}),
    Step("POST /devices/{device_key}/decommission", {"data": "all"}, status=422, code="invalid_argument"),
    Step("GET /swarms/{swarm_key}/decommissions", query="device={device_key}"),
    Step("POST /swarms/{swarm_key}/groups", {"name": "line-4"}, status=201, keeps={"group_key": "group_key"}),
    Step("GET /groups", query="project={swarm_key}"),
    Step("GET /groups/{group_key}"),
    Step("PATCH /groups/{group_key}", {"name": "line-5"}),
    Step("PUT /groups/{group_key}/devices/{device_key}", status=204),
    Step("GET /devices", query="group={group_key}"),
    Step("DELETE /groups/{group_key}/devices/{device_key}", status=204),
    Step("PUT /groups/{group_key}/apps/{one}/{stage}", {"target": "RUNNING"}, status=409, code="conflict"),
    Step("GET /groups/{group_key}/apps"),
    Step("DELETE /groups/{group_key}/apps/{one}/{stage}", status=204),
    Step("DELETE /groups/{group_key}", status=204),
    Step("POST /swarms/{swarm_key}/rollouts/plan", {"action": "update_agent"}, keeps={"digest": "digest"}),
    Step(
        "POST /swarms/{swarm_key}/rollouts", {"action": "update_agent", "digest": "{digest}"},
        status=201, keeps={"rollout_key": "rollout_key"},
    ),
    Step("POST /swarms/{swarm_key}/rollouts", {"action": "update_agent"}, status=409, code="conflict"),
    Step("POST /swarms/{swarm_key}/rollouts", {"action": "start"}, status=422, code="invalid_argument"),
    Step("GET /swarms/{swarm_key}/rollouts"),
    Step("GET /rollouts/{rollout_key}", query="state=waiting&limit=1"),
    Step("GET /rollouts/{rollout_key}", status=404, code="not_found", by="stranger"),
    Step("POST /rollouts/{rollout_key}/pause", {}),
    Step("POST /rollouts/{rollout_key}/resume", {"retry": True}),
    Step("POST /rollouts/{rollout_key}/abort", {"roll_back": True}, status=409, code="conflict"),
    Step("POST /rollouts/{rollout_key}/abort", {}),
    Step("POST /terminals/{closed}/keys", {"keys": "bHM="}, status=404, code="not_found"),
    Step("PUT /terminals/{closed}/size", {"columns": 80, "rows": 24}, status=404, code="not_found"),
    Step("DELETE /terminals/{closed}", status=404, code="not_found"),
    Step("GET /swarms/{swarm_key}/alerts", query="state=open"),
    Step("GET /swarms/{swarm_key}/alerts", status=404, code="not_found", by="stranger"),
    Step("POST /alerts/{none}/acknowledge", {}, status=404, code="not_found"),
    Step("GET /swarms/{swarm_key}/alert-rules"),
    Step("PUT /swarms/{swarm_key}/alert-rules", {"kind": "device_offline", "after_s": 600}),
    Step(
        "POST /swarms/{swarm_key}/alert-channels", {"name": "duty", "url": "https://localhost:1/"},
        status=201, keeps={"channel_key": "channel.channel_key"},
    ),
    Step(
        "POST /swarms/{swarm_key}/alert-channels", {"name": "x", "url": "http://a.b/"},
        status=422, code="invalid_argument",
    ),
    Step("GET /swarms/{swarm_key}/alert-channels"),
    Step("POST /alert-channels/{channel_key}/test", {}),
    Step("DELETE /alert-channels/{channel_key}", status=204),
    Step(
        "POST /devices/{device_key}/tunnels", {"app": "ssh", "port": 22, "protocol": "tcp"},
        status=201, keeps={"tunnel_key": "tunnel_key"},
    ),
    Step("POST /devices/{device_key}/tunnels", {"app": "my_app", "port": 80}, status=422, code="invalid_argument"),
    Step("GET /tunnels", query="device={device_key}"),
    Step("GET /tunnels", query="project={swarm_key}"),
    Step("GET /tunnels", query="device={device_key}", status=404, code="not_found", by="stranger"),
    Step("PUT /tunnels/{tunnel_key}/public", {"until": "2999-01-01T00:00:00Z"}),
    Step("DELETE /tunnels/{tunnel_key}/public"),
    Step("POST /tunnels/{tunnel_key}/tickets", {"hours": 1}, status=201),
    Step("POST /tunnels/{tunnel_key}/close", {}),
    Step("GET /visits", query="device={device_key}"),
    Step("PUT /swarms/{swarm_key}/recorded-apps", {"apps": ["ssh"]}),
    Step("GET /swarms/{swarm_key}/recordings"),
    Step("GET /visits/{one}/recording", status=404, code="not_found"),
    Step("DELETE /tunnels/{tunnel_key}", status=204),
    Step("DELETE /tunnels/{tunnel_key}", status=404, code="not_found"),
    Step("POST /devices/{device_key}/move", {"to": "{plant}"}, status=409, code="conflict"),
    Step("PUT /devices/{device_key}/claimable", {"is_claimable": True}, keeps={"claim_code": "claim_code"}),
    Step("PUT /devices/{device_key}/claimable", {"is_claimable": False}),
    Step("POST /swarms/{swarm_key}/claims", {"code": "{claim_code}"}, status=404, code="not_found"),
    Step("PUT /devices/{device_key}/apps/{one}/{stage}", status=409, code="conflict"),
    Step("GET /devices/{device_key}/apps"),
    Step("GET /devices/{device_key}/apps/{one}/{stage}", status=409, code="conflict"),
    *(
        Step(f"POST /devices/{{device_key}}/apps/{{one}}/{{stage}}/{verb}", {}, status=409, code="conflict")
        for verb in ("start", "stop", "remove", "upgrade", "rollback", "cancel")
    ),
    Step("GET /devices/{device_key}/apps/{one}/{stage}/variables", status=409, code="conflict"),
    Step("PATCH /devices/{device_key}/apps/{one}/{stage}/variables", {"values": {}}, status=409, code="conflict"),
    Step("PUT /devices/{device_key}/apps/{one}/{stage}/ports", {"ports": []}, status=409, code="conflict"),
    Step("POST /devices/{device_key}/apps/confirm", {}),
    Step("POST /swarms/{swarm_key}/apps/confirm", {}),
    Step("POST /devices/{device_key}/apps/{one}/{stage}/rotate-credential", {}, status=409, code="conflict"),
    Step("POST /devices/{device_key}/apps/{one}/{stage}/environment", {}, status=409, code="conflict"),
    Step("DELETE /devices/{device_key}/apps/{one}/{stage}", status=204),
    Step("POST /terminals/00000000-0000-4000-8000-000000000001/keys", {"keys": "ls"}, status=404, code="not_found"),
    Step(
        "PUT /terminals/00000000-0000-4000-8000-000000000001/size", {"columns": 80, "rows": 24},
        status=404, code="not_found",
    ),
    Step("DELETE /terminals/00000000-0000-4000-8000-000000000001", status=404, code="not_found"),
    Step("POST /devices/{device_key}/exec", {"command": "true"}, **OFFLINE),
    Step("POST /devices/{device_key}/reboot", {}, **OFFLINE),
    Step("POST /devices/{device_key}/shutdown", {}, **OFFLINE),
    Step("POST /devices/{device_key}/restart-agent", {}, **OFFLINE),
    Step("POST /devices/{device_key}/update-agent", {}, **OFFLINE),
    Step("POST /devices/{device_key}/download-os-update", {}, **OFFLINE),
    Step("POST /devices/{device_key}/install-os-update", {}, **OFFLINE),
    Step("POST /devices/{device_key}/wifi/scan", {}, **OFFLINE),
    Step("POST /devices/{device_key}/wifi/restart", {}, **OFFLINE),
    Step("GET /devices/{device_key}/agent", **OFFLINE),
    Step("GET /devices/{device_key}/os-release", **OFFLINE),
    Step("GET /devices/{device_key}/storage", **OFFLINE),
    Step("GET /devices/{device_key}/handshake", **OFFLINE),
    Step("GET /devices/{device_key}/tunnel-state", **OFFLINE),
    Step("GET /devices/{device_key}/containers", **OFFLINE),
    Step("GET /devices/{device_key}/images", **OFFLINE),
    Step("GET /devices/{device_key}/addresses", **OFFLINE),
    Step("GET /devices/{device_key}/networks", **OFFLINE),
    Step("GET /devices/{device_key}/interfaces", **OFFLINE),
    Step("GET /devices/{device_key}/wifi", **OFFLINE),
    Step("POST /devices/{device_key}/images/prune", {"include_named": True}, **OFFLINE),
    Step("PUT /devices/{device_key}/address", {"interface": "eth0", "mac": MAC, "method": "auto"}, **OFFLINE),
    Step("PUT /devices/{device_key}/address", {"interface": "eth0", "mac": MAC}, status=422, code="invalid_argument"),
    Step("POST /devices/{device_key}/wifi/add", {"ssid": "hall", "password": "12345678"}, **OFFLINE),
    Step("POST /devices/{device_key}/wifi/remove", {"ssid": "hall"}, **OFFLINE),
    Step("POST /devices/{device_key}/wifi/select", {"ssid": "hall", "mac": MAC}, **OFFLINE),
    Step("GET /devices/{device_key}/logs", query="lines=5&since=30m&level=warn", **OFFLINE),
    Step("GET /devices/{device_key}/logs", status=404, code="not_found", by="stranger"),
    Step("GET /devices/{device_key}/apps/{one}/{stage}/logs", query="lines=5&timestamps=true", **OFFLINE),
    Step("GET /devices/{device_key}/apps/{one}/{stage}/log-history", **OFFLINE),
    Step("PUT /swarms/{swarm_key}/second-factor", {"required": False}),
    Step("PUT /swarms/{swarm_key}/same-address", {"required": False}),
    Step("PUT /swarms/{swarm_key}/legacy-mode", {"mode": "strict"}),
    Step("PUT /swarms/{swarm_key}/legacy-mode", {"mode": "dual"}, status=422, code="invalid_argument"),
    Step("POST /apps", {"name": "{plant}-app"}, status=201, keeps={"app_key": "app_key"}),
    Step("GET /apps", query="limit=1000"),
    Step("GET /apps/{app_key}", status=404, code="not_found", by="stranger"),
    Step("PUT /apps/{app_key}/public", {"is_public": True}),
    Step("GET /apps/{app_key}", by="stranger"),
    Step("PATCH /apps/{app_key}", {"name": "{plant}-saw"}, status=403, code="not_authorized", by="stranger"),
    Step("PATCH /apps/{app_key}", {"name": "{plant}-saw"}),
    Step("POST /apps/{app_key}/releases", {"version": "1.0"}, status=422, code="not_supported"),
    Step(
        "POST /apps/{app_key}/releases",
        {"version": "1.0", "image": IMAGE, "data_template": {"data": {}, "consumes": [{"app": "*", "reason": "all"}]}},
        status=201,
    ),
    Step(
        "POST /apps/{app_key}/releases",
        {
            "version": "1.1", "image": IMAGE, "environment": {"MODE": {"default": "fast", "choices": ["fast", "slow"]}},
            "ports": [{"port": 80}], "compose": {"services": {"web": {"image": IMAGE, "privileged": True}}},
        },
        status=201,
    ),
    Step("GET /apps/{app_key}/releases", by="stranger"),
    Step("GET /apps/{app_key}/releases/{version}", by="stranger"),
    Step("PUT /swarms/{swarm_key}/apps/{app_key}", {"stage": "PROD", "version": "1.0"}),
    Step("GET /swarms/{swarm_key}/apps"),
    Step("DELETE /apps/{app_key}", status=409, code="conflict"),
    Step("GET /swarms/{swarm_key}/access"),
    Step("PUT /swarms/{swarm_key}/access/{app_key}", {"provider": "*"}, status=204),
    Step("DELETE /swarms/{swarm_key}/access/{app_key}", query="provider=%2A", status=204),
    Step("GET /swarms/{swarm_key}/realms", query="closed=true"),
    Step("POST /swarms/{swarm_key}/realms/{app_key}/{stage}/rotate-login", {}, status=404, code="not_found"),
    Step("GET /swarms/{swarm_key}/realms/{app_key}/{stage}/retention", status=404, code="not_found"),
    Step("PUT /swarms/{swarm_key}/realms/{app_key}/{stage}/retention", {"keep_s": 1}, status=404, code="not_found"),
    Step("DELETE /swarms/{swarm_key}/realms/{app_key}/{stage}/data", query="confirm=x", status=404, code="not_found"),
    Step("POST /swarms/{swarm_key}/boards", {"name": "{plant}-board"}, status=201, keeps={"board_key": "board_key"}),
    Step("GET /swarms/{swarm_key}/boards"),
    Step("GET /boards/{board_key}"),
    Step("GET /boards/{board_key}", status=404, code="not_found", by="stranger"),
    Step("PATCH /boards/{board_key}", {"description": "what is made"}),
    Step("POST /boards/{board_key}/open", {"app": "{app_key}", "stage": "DEV"}, status=404, code="not_found"),
    Step("DELETE /boards/{board_key}", status=204),
    Step("DELETE /swarms/{swarm_key}/apps/{app_key}", query="stage=PROD", status=204),
    Step("GET /swarms/{swarm_key}/retention"),
    Step("PUT /swarms/{swarm_key}/retention", {"days": 365}),
    # Who works in a project: `other` is one that is given away in the end.
    Step("POST /swarms/{swarm_key}/invitations", {"account": "{login}"}, status=201, keeps=ASKED),
    Step("GET /swarm-invitations", query="project={swarm_key}"),
    Step("GET /swarm-invitations", by="stranger"),
    Step("POST /swarm-invitations/{asked}/decline", status=204, by="stranger"),
    Step(
        "POST /swarms/{swarm_key}/invitations", {"account": "{login}", "reason": "tried"},
        status=201, keeps=ASKED,
    ),
    Step("DELETE /swarm-invitations/{asked}", status=204),
    Step("POST /swarm-invitations/{asked}/accept", status=404, code="not_found", by="stranger"),
    Step("POST /swarms/{swarm_key}/invitations", {"account": "{login}"}, status=201, keeps=ASKED),
    Step("POST /swarm-invitations/{asked}/accept", status=204, by="stranger"),
    Step("GET /swarms/{swarm_key}/members"),
    Step("POST /swarms/{swarm_key}/leave", status=204, by="stranger"),
    Step("POST /swarms/{swarm_key}/invitations", {"account": "{login}"}, status=201, keeps=ASKED),
    Step("POST /swarm-invitations/{asked}/accept", status=204, by="stranger"),
    Step("GET /flags", by="stranger"),
    Step("GET /checks", query="kind=device&key={device_key}&flag=READ&account={person}"),
    Step("POST /checks", {"checks": [{"kind": "device", "key": "{device_key}", "flag": "READ"}]}),
    Step(
        "POST /grants", {"account": "{person}", "kind": "device", "key": "{device_key}", "flags": ["READ"]}, status=204
    ),
    Step("GET /devices/{device_key}", by="stranger"),
    Step("GET /grants", query="kind=device&key={device_key}&limit=10"),
    Step("GET /explanations", query="kind=device&key={device_key}", by="stranger"),
    Step("GET /assets", query="kind=device&flag=READ&limit=1000", by="stranger"),
    Step("GET /people", query="kind=device&key={device_key}&flag=READ"),
    Step("GET /changes", query="kind=device&key={device_key}&account={person}"),
    Step("DELETE /grants", query="account={person}&kind=device&key={device_key}&flags=READ&reason=tried", status=204),
    Step("GET /devices/{device_key}", status=404, code="not_found", by="stranger"),
    Step("POST /swarms/{swarm_key}/defaults", {"kind": "device", "flags": ["READ"]}, status=204),
    Step("GET /swarms/{swarm_key}/defaults"),
    Step("GET /devices/{device_key}", by="stranger"),
    Step("DELETE /swarms/{swarm_key}/defaults", query="kind=device&flags=READ", status=204),
    Step(
        "POST /locks", {"kind": "device", "key": "{device_key:d}", "reason": "tried"},
        status=201, keeps={"lock_key": "lock_key"},
    ),
    Step("GET /locks"),
    Step("GET /clusters"),
    Step("GET /clusters", status=403, code="not_authorized", by="stranger"),
    Step(
        "POST /clusters", {"name": "{plant}", "region": "south", "capacity": 1},
        status=201, keeps={"cluster": "name"},
    ),
    Step("PUT /clusters/{cluster}", {"state": "closed"}),
    Step("GET /cells"),
    Step("GET /cells", status=403, code="not_authorized", by="stranger"),
    Step(
        "POST /cells",
        {"name": "{plant}-cell", "region": "south", "endpoint": "wss://{plant}.cells.test", "capacity": 1},
        status=201, keeps={"cell": "name"},
    ),
    Step("PUT /cells/{cell}", {"state": "closed"}),
    Step("POST /moves", {"project": "{swarm_key}", "cluster": "first"}, status=201, keeps={"move_key": "move_key"}),
    Step("DELETE /clusters/{cluster}", query="confirm={cluster}"),
    Step("GET /moves", query="project={swarm_key}"),
    Step("POST /moves/{move_key}/abandon", status=409, code="conflict"),
    Step("DELETE /locks/{lock_key}", query="reason=found", status=204),
    Step("DELETE /swarms/{swarm_key}/members/{person}", query="reason=tried", status=204),
    Step("POST /swarms", {"name": "{plant}-other"}, status=201, keeps={"other": "project_key"}),
    Step("POST /swarms/{other}/invitations", {"account": "{login}"}, status=201, keeps=ASKED),
    Step("POST /swarm-invitations/{asked}/accept", status=204, by="stranger"),
    Step("POST /swarms/{other}/transfer", {"account": "{person}", "reason": "tried"}, status=201),
    Step("DELETE /swarms/{other}/transfer", status=204),
    Step("POST /swarms/{other}/transfer", {"account": "{person}"}, status=201),
    Step("GET /transfers", by="stranger"),
    Step("POST /swarms/{other}/transfer/accept", status=204, by="stranger"),
    Step("POST /apps", {"name": "{plant}-given"}, status=201, keeps={"app_key": "app_key"}),
    Step("POST /apps/{app_key}/transfer", {"account": "{person}"}, status=201),
    Step("DELETE /apps/{app_key}/transfer", status=204, by="stranger"),
    Step("POST /apps/{app_key}/transfer", {"account": "{login}", "reason": "tried"}, status=201),
    Step("GET /app-transfers", by="stranger"),
    Step("POST /apps/{app_key}/transfer/accept", status=204, by="stranger"),
    Step("DELETE /apps/{app_key}", status=404, code="not_found"),
    Step("DELETE /apps/{app_key}", status=204, by="stranger"),
    Step("GET /account"),
    Step("PATCH /account", {"display_name": "Olga", "locale": "de"}, status=204),
    Step("POST /account/export"),
    Step("POST /account/erase", {"confirm": "somebody else"}, status=409, code="conflict"),
    Step("POST /account/setup-link"),
    Step("GET /sessions"),
    Step("DELETE /sessions/{nobody}", status=404, code="not_found"),
    Step("DELETE /sessions", query="but_this=true"),
    Step("GET /factors"),
    Step("DELETE /factors/totp", status=404, code="not_found"),
    Step("POST /factors/recovery-codes"),
    Step("PATCH /factors/passkeys/{nobody}", {"name": "mine"}, status=404, code="not_found"),
    Step("DELETE /factors/passkeys/{nobody}", status=404, code="not_found"),
    Step("GET /consents"),
    Step("DELETE /consents/{nobody}", status=404, code="not_found"),
    Step(
        "POST /clients", {"name": "reports", "redirect_uris": ["https://reports.example.com/callback"]},
        status=201, keeps={"client_id": "client_id"},
    ),
    Step("GET /clients"),
    Step("DELETE /clients/{client_id}", status=204),
    Step("POST /service-accounts", {"name": "{plant}"}, status=201, keeps={"account_key": "account_key"}),
    Step("GET /service-accounts"),
    Step("POST /api-keys", {"name": "reports", "scopes": ["read"]}, status=201, keeps={"key_id": "key_id"}),
    Step("POST /api-keys/{key_id}/rotate", {"overlap_s": 60}, status=201, keeps={"newer": "key_id"}),
    Step("DELETE /api-keys/{newer}", query="reason=tried", status=204),
    Step("GET /api-keys"),
    Step("DELETE /service-accounts/{account_key}", status=204),
    Step("POST /invitations", {"address": "{guest}@example.com"}, status=201, keeps={"account_key": "account_key"}),
    Step("GET /invitations"),
    Step("POST /accounts/{account_key}/disable", {"reason": "tried"}, status=404, code="not_found"),
    Step("POST /accounts/{account_key}/enable", {"reason": "tried"}, status=404, code="not_found"),
    Step("DELETE /invitations/{account_key}", status=204),
    Step("GET /audit/entries", query="project={swarm_key}&limit=5", keeps={"entries": "entries"}),
    Step("GET /audit/head"),
    Step("GET /audit/consistency/{one}"),
    Step("DELETE /swarms/{swarm_key}/devices/{device_key}", status=204),
    Step("GET /devices/{device_key}", status=404, code="not_found"),
    Step("POST /swarms/{swarm_key}/devices", {"name": "press-9"}, status=201, keeps={"device_key": "device_key"}),
    Step("POST /devices/{device_key}/decommission", {"data": "delete"}),
)  # fmt: skip


@pytest.fixture(name="rest")
def fixture_rest(ironflock: RunningPlatform) -> RestClient:
    return RestClient(ironflock, ironflock.owner_key)


def filled(value: Any, known: dict[str, Any]) -> Any:
    """A body whose placeholders have become what is known; what is nothing else keeps its type."""
    if isinstance(value, dict):
        return {name: filled(each, known) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    if not isinstance(value, str):
        return value
    return known[value[1:-1]] if value[1:-1] in known and value[:1] == "{" else value.format(**known)


def tell(rest: RestClient, step: Step, known: dict[str, Any]) -> Reply:
    """The reply to one step, as the step expects it."""
    method, _, template = step.call.partition(" ")
    path = template.format(**known) + (f"?{step.query.format(**known)}" if step.query else "")
    reply = rest.ask(method, path, filled(step.body, known))
    assert reply.status == step.status, (step, reply)
    assert not step.code or reply.json["code"] == step.code, (step, reply)
    known.update({name: reduce(getitem, taken.split("."), reply.json) for name, taken in step.keeps.items()})
    return reply


def test_every_call_is_answered(ironflock: RunningPlatform, rest: RestClient, stranger: Stranger) -> None:
    known: dict[str, Any] = {
        "plant": new_name("plant"),
        "guest": new_name("guest"),
        "nobody": "x" * 22,
        "one": 1,
        "none": 2**53 - 1,
        "closed": "00000000-0000-4000-8000-000000000000",
        "alert_key": 1,
    }
    known |= {"person": stranger.account_key, "login": stranger.login_name, "stage": "DEV", "version": "1.0"}
    askers = {"owner": rest, "stranger": RestClient(ironflock, stranger.account.api_key)}

    for step in STORY:
        tell(askers[step.by], step, known)
    entry = known["entries"][0]["id"]
    wait_until(lambda: rest.ask("GET", f"/audit/entries/{entry}/proof").status == 200, 30, "the entry is in a head")
    assert rest.ask("GET", f"/audit/entries/{entry}").json["id"] == entry
    keys = ",".join(str(device["device_key"]) for device in known["devices"])
    gone = rest.ask("DELETE", f"/swarms/{known['swarm_key']}/devices?ids={keys},{known['device_key']}")

    assert (gone.status, [str(key) for key in gone.json["deleted"]]) == (207, keys.split(","))
    assert [each["code"] for each in gone.json["errors"]] == ["not_found"]


def test_no_call_of_the_table_is_left_out() -> None:
    later = {
        "GET /audit/entries/{entry_id}",
        "GET /audit/entries/{entry_id}/proof",
        "DELETE /swarms/{swarm_key}/devices",
    }
    named = {
        "{nobody}": {"{session}", "{passkey}", "{client_id}"},
        "{one}": {"{from_size}", "{app_key}", "{visit_key}"},
        "{none}": {"{alert_key}"},
        "{closed}": {"{terminal}"},
        "{newer}": {"{key_id}"},
        "{asked}": {"{invitation_key}"},
        "{person}": {"{account_key}"},
        "{other}": {"{swarm_key}"},
    }
    told = {step.call for step in STORY}
    for ours, theirs in named.items():
        told |= {call.replace(ours, each) for call in told for each in theirs}

    assert {f"{route.method} {route.template}" for route in ROUTES} - later <= told


def test_what_is_done_here_is_done(ironflock: RunningPlatform, rest: RestClient, owner: Account) -> None:
    project = rest.ask("POST", "/swarms", {"name": new_name("plant")}).json["project_key"]
    device = rest.ask("POST", f"/swarms/{project}/devices", {"name": "press"}).json
    flock = rest.ask("POST", f"/devices/{device['device_key']}/flash").json["flock"]

    assert owner.call("ironflock.devices.device.show", device=device["device_key"])["state"] == "flashed"
    assert (flock["device_key"], flock["swarm_key"]) == (device["device_key"], project)
    wait_until_integrated(ironflock)
    entries = owner.call("ironflock.audit.entry.list", device=device["device_key"])["entries"]
    assert entries[-1]["action"] == "device.created"
    entries = [entry for entry in entries if entry["actor"]["kind"] == "person"]
    assert {entry["action"] for entry in entries} == {"device.flashed", "device.created"}
    assert {entry["actor"]["key"] for entry in entries} == {owner.call("ironflock.auth.account.me")["account_key"]}


def test_a_page_leads_to_the_next(rest: RestClient, owner: Account) -> None:
    project = owner.project()
    made = [owner.device(project)["device_key"] for _ in range(3)]
    path: str | None = f"/devices?project={project}&limit=1"
    seen = []
    while path is not None:
        reply = rest.ask("GET", path)
        seen += [device["device_key"] for device in reply.json["devices"]]
        link = reply.headers.get("link")
        path = None if link is None else link.partition(">")[0].removeprefix(f"<{BASE}")

    assert seen == made


def test_a_request_that_is_sent_twice_is_done_once(rest: RestClient, owner: Account) -> None:
    project, key = owner.project(), str(uuid.uuid4())

    replies = [rest.ask("POST", f"/swarms/{project}/devices", {"name": "press"}, idempotency_key=key) for _ in range(2)]

    assert replies[0].content == replies[1].content
    assert [reply.status for reply in replies] == [201, 201]
    assert replies[1].headers["idempotent-replayed"] == "true"
    assert len(rest.ask("GET", f"/devices?project={project}").json["devices"]) == 1


def test_a_key_reaches_as_far_as_its_scopes(rest: RestClient, ironflock: RunningPlatform, owner: Account) -> None:
    device, other = owner.device(), owner.device()
    scopes = [f"read@project/{device['project_key']}"]
    narrow = RestClient(ironflock, rest.ask("POST", "/api-keys", {"name": "narrow", "scopes": scopes}).json["key"])

    assert narrow.ask("GET", f"/devices/{device['device_key']}").status == 200
    refused = narrow.ask("PATCH", f"/devices/{device['device_key']}", {"name": "changed"})
    assert (refused.status, refused.json["code"]) == (403, "not_authorized")
    assert "www-authenticate" not in refused.headers
    assert narrow.ask("GET", f"/devices/{other['device_key']}").status in (403, 404)
    assert narrow.ask("POST", "/swarms", {"name": new_name("plant")}).status == 403


def token_of(platform: RunningPlatform, client: dict[str, str]) -> str:
    """An access token that `client` asks for itself."""
    said = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    connection = http.client.HTTPSConnection("localhost", platform.ports.accounts, timeout=30, context=platform.tls)
    headers = {"authorization": f"Basic {said}", "content-type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/oauth/token", "grant_type=client_credentials", headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    token: str = answer["access_token"]
    return token


def test_an_access_token_opens_as_far_as_its_scopes_and_ends_with_its_client(
    rest: RestClient, ironflock: RunningPlatform
) -> None:
    account = rest.ask("POST", "/service-accounts", {"name": new_name("robot")}).json["account_key"]
    wanted = {"name": "robot", "grant_types": ["client_credentials"], "account_key": account, "scopes": ["read"]}
    client = rest.ask("POST", "/clients", wanted).json
    theirs = RestClient(ironflock, token_of(ironflock, client))

    assert theirs.ask("GET", "/account").json["account_key"] == account
    assert theirs.ask("POST", "/swarms", {"name": new_name("plant")}).status == 403
    assert rest.ask("DELETE", f"/clients/{client['client_id']}").status == 204
    assert theirs.ask("GET", "/account").status == 401


def test_where_a_key_was_used_is_seen(rest: RestClient, ironflock: RunningPlatform) -> None:
    made = rest.ask("POST", "/api-keys", {"name": "seen", "scopes": ["read"]}).json
    RestClient(ironflock, made["key"], source="127.0.0.9").ask("GET", "/account")

    [seen] = [key for key in rest.ask("GET", "/api-keys").json["api_keys"] if key["key_id"] == made["key_id"]]
    assert seen["last_address"] == "127.0.0.9"
    assert made["key"] not in json.dumps(seen)


def test_a_stranger_sees_nothing_and_may_do_nothing(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger
) -> None:
    device = owner.device()
    theirs = RestClient(ironflock, stranger.account.api_key)

    assert theirs.ask("GET", "/devices").json["devices"] == []
    for method, path, body in (
        ("GET", f"/devices/{device['device_key']}", None),
        ("PATCH", f"/devices/{device['device_key']}", {"name": "mine"}),
        ("POST", f"/devices/{device['device_key']}/flash", None),
        ("DELETE", f"/swarms/{device['project_key']}/devices/{device['device_key']}", None),
        ("POST", f"/swarms/{device['project_key']}/devices", {"name": "mine"}),
        ("PUT", f"/swarms/{device['project_key']}/retention", {"days": 1}),
    ):
        assert theirs.ask(method, path, body).status == 404, path
    assert owner.status(device["device_key"]) == "DISCONNECTED"


def test_the_page_and_the_description_are_there(ironflock: RunningPlatform) -> None:
    nobody = RestClient(ironflock, None)

    assert nobody.ask("GET", "/openapi.json").json["openapi"] == "3.1.0"
    assert b"swagger-ui-bundle.js" in nobody.send("GET", "/docs", []).content


def test_the_gateway_is_ready_when_it_is_on_the_bus(ironflock: RunningPlatform) -> None:
    assert "gateway" not in ironflock.unready()
