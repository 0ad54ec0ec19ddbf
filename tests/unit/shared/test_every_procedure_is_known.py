"""Every registered procedure stands in its service's README and in the router's table, and no other does."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ironflock_router.permissions import TABLE
from ironflock_router.wire_names import Action
from services.audit.procedures.entries import EntryProcedures
from services.audit.procedures.heads import HeadProcedures
from services.audit.procedures.retention import RetentionProcedures
from services.auth.procedures.accounts import AccountProcedures
from services.auth.procedures.alerts import AlertProcedures as AlertMailProcedures
from services.auth.procedures.api_keys import ApiKeyProcedures
from services.auth.procedures.app_credentials import AppCredentialProcedures
from services.auth.procedures.board_tickets import BoardTicketProcedures
from services.auth.procedures.clients import ClientProcedures
from services.auth.procedures.devices import CredentialProcedures
from services.auth.procedures.factors import FactorProcedures
from services.auth.procedures.people import PeopleProcedures as PersonProcedures
from services.auth.procedures.registry_tokens import RegistryTokenProcedures
from services.auth.procedures.rights import RightsProcedures
from services.auth.procedures.tickets import TicketProcedures
from services.devices.procedures.agents import AgentProcedures
from services.devices.procedures.alert_settings import AlertSettingProcedures
from services.devices.procedures.alerts import AlertProcedures
from services.devices.procedures.app_settings import AppSettingProcedures
from services.devices.procedures.app_states import AppStateProcedures
from services.devices.procedures.apps import DeviceAppProcedures
from services.devices.procedures.claims import ClaimProcedures
from services.devices.procedures.decommissions import DecommissionProcedures
from services.devices.procedures.group_apps import GroupAppProcedures
from services.devices.procedures.groups import GroupProcedures
from services.devices.procedures.logs import LogProcedures
from services.devices.procedures.moving import MovingProcedures
from services.devices.procedures.networks import NetworkProcedures
from services.devices.procedures.operations import OperationProcedures
from services.devices.procedures.people import PeopleProcedures
from services.devices.procedures.registry import RegistryProcedures
from services.devices.procedures.rollouts import RolloutProcedures
from services.devices.procedures.tags import TagProcedures
from services.devices.procedures.terminals import TerminalProcedures
from services.devices.terminals.terminals import own_uri
from services.fleetdb.procedures.erasures import ErasureProcedures
from services.fleetdb.procedures.exports import ExportProcedures
from services.privileges.procedures.apps import AppTransferProcedures
from services.privileges.procedures.grants import GrantProcedures
from services.privileges.procedures.locks import LockProcedures
from services.privileges.procedures.members import MemberProcedures
from services.privileges.procedures.questions import QuestionProcedures
from services.privileges.procedures.services import ServiceProcedures
from services.privileges.procedures.transfers import TransferProcedures
from services.realms.procedures.access import AccessProcedures
from services.realms.procedures.apps import AppProcedures
from services.realms.procedures.backends import BackendProcedures
from services.realms.procedures.boards import BoardProcedures
from services.realms.procedures.installs import InstallProcedures
from services.realms.procedures.moves import MoveProcedures
from services.realms.procedures.placement import PlacementProcedures
from services.realms.procedures.projects import ProjectProcedures
from services.realms.procedures.releases import ReleaseProcedures
from services.realms.procedures.services import ServiceProcedures as RealmsServiceProcedures
from services.tunnels.procedures.agents import AgentProcedures as TunnelAgentProcedures
from services.tunnels.procedures.devices import DeviceProcedures as TunnelDeviceProcedures
from services.tunnels.procedures.recordings import RecordingProcedures
from services.tunnels.procedures.tunnels import TunnelProcedures
from services.tunnels.procedures.visits import VisitProcedures
from shared.identities import CONTROL_REALM, SYSTEM_REALM
from shared.procedures import Audience, Declaration, declared

ROOT = Path(__file__).parents[3]
SURFACES: dict[str, list[type[Any]]] = {
    "auth": [
        CredentialProcedures,
        AppCredentialProcedures,
        TicketProcedures,
        BoardTicketProcedures,
        RegistryTokenProcedures,
        AlertMailProcedures,
        AccountProcedures,
        PersonProcedures,
        FactorProcedures,
        ApiKeyProcedures,
        ClientProcedures,
        RightsProcedures,
    ],
    "realms": [
        ProjectProcedures,
        PlacementProcedures,
        MoveProcedures,
        AppProcedures,
        ReleaseProcedures,
        InstallProcedures,
        AccessProcedures,
        BackendProcedures,
        BoardProcedures,
        RealmsServiceProcedures,
    ],
    "privileges": [
        QuestionProcedures,
        MemberProcedures,
        GrantProcedures,
        TransferProcedures,
        AppTransferProcedures,
        LockProcedures,
        ServiceProcedures,
    ],
    "audit": [EntryProcedures, HeadProcedures, RetentionProcedures],
    "fleetdb": [ExportProcedures, ErasureProcedures],
    "devices": [
        PeopleProcedures,
        ClaimProcedures,
        MovingProcedures,
        DecommissionProcedures,
        TagProcedures,
        GroupProcedures,
        DeviceAppProcedures,
        AppStateProcedures,
        AppSettingProcedures,
        OperationProcedures,
        NetworkProcedures,
        LogProcedures,
        RolloutProcedures,
        GroupAppProcedures,
        AlertProcedures,
        AlertSettingProcedures,
        RegistryProcedures,
        AgentProcedures,
        TerminalProcedures,
    ],
    "tunnels": [TunnelProcedures, VisitProcedures, RecordingProcedures, TunnelAgentProcedures, TunnelDeviceProcedures],
}
# Decision 6: the router's own component alone calls these, so that no client's role may have a line for them.
ROUTERS_OWN = {
    "ironflock.router.credential.end",
    "ironflock.router.followed.take",
    "ironflock.router.realm.end",
    "ironflock.router.session.end",
}
ROUTER_ONLY = {
    "ironflock.auth.app_credential.find",
    "ironflock.auth.board_ticket.take",
    "ironflock.auth.device_credential.find",
}
DECLARED: list[tuple[str, Declaration]] = [
    (service, declaration) for service, kinds in SURFACES.items() for kind in kinds for declaration, _ in declared(kind)
]
IDS = [declaration.uri for _, declaration in DECLARED]


def callers(uri: str, realm: str) -> set[str]:
    return {grant.role for grant in TABLE if grant.uri == uri and grant.realm == realm and grant.action is Action.CALL}


@pytest.mark.parametrize(("service", "declaration"), DECLARED, ids=IDS)
def test_it_stands_in_its_service_s_readme(service: str, declaration: Declaration) -> None:
    assert f"`{declaration.uri}`" in (ROOT / "services" / service / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("service", "declaration"), DECLARED, ids=IDS)
def test_somebody_may_call_it_on_the_realms_of_its_audience(service: str, declaration: Declaration) -> None:
    control, system = callers(declaration.uri, CONTROL_REALM), callers(declaration.uri, SYSTEM_REALM)

    assert f"svc_{service}" not in control
    match declaration.audience:
        case Audience.PEOPLE:
            assert (control, system) == ({"user"}, {"svc_gateway"})
        case Audience.DEVICES:
            assert (control, system) == ({"device"}, set())
        case Audience.SERVICES:
            assert control == set()
            assert bool(system) != (declaration.uri in ROUTER_ONLY)
            assert all(role.startswith("svc_") for role in system)


@pytest.mark.parametrize(("service", "declaration"), DECLARED, ids=IDS)
def test_its_service_may_register_it(service: str, declaration: Declaration) -> None:
    realm = SYSTEM_REALM if declaration.audience is Audience.SERVICES else CONTROL_REALM
    grants = [g for g in TABLE if g.role == f"svc_{service}" and g.realm == realm and g.action is Action.REGISTER]

    assert any(re.fullmatch(re.escape(g.uri).replace(r"\*\*", ".+"), declaration.uri) for g in grants)


@pytest.mark.parametrize(("service", "declaration"), DECLARED, ids=IDS)
def test_its_uri_says_whose_it_is(service: str, declaration: Declaration) -> None:
    if declaration.audience is Audience.DEVICES:
        assert re.fullmatch(r"(reswarm|re)\.[a-z_]+\.[a-z_]+", declaration.uri)
    else:
        assert re.fullmatch(rf"ironflock\.{service}\.[a-z_]+\.[a-z_]+", declaration.uri)


def test_the_router_s_table_names_no_procedure_that_nobody_has() -> None:
    named = {grant.uri for grant in TABLE if grant.action is Action.CALL and grant.uri.startswith("ironflock.")}

    known = {uri for uri in IDS if uri.startswith("ironflock.")} - ROUTER_ONLY | ROUTERS_OWN
    assert named == known | {own_uri(UUID(int=0)).replace("0" * 32, "*")}  # each process of devices has one


def test_no_uri_is_declared_twice() -> None:
    assert len(IDS) == len(set(IDS))


def test_the_readmes_name_no_procedure_that_nobody_has() -> None:
    for service in SURFACES:
        text = (ROOT / "services" / service / "README.md").read_text(encoding="utf-8")
        rows = re.findall(rf"^\| `(ironflock\.{service}\.[a-z_]+\.[a-z_]+)`", text, re.MULTILINE)
        declared_here = {declaration.uri for owner, declaration in DECLARED if owner == service}
        topics = set(re.findall(rf"`(ironflock\.{service}\.[a-z_]+\.[a-z_]+)` \(", text))
        assert set(rows) - topics <= declared_here
