"""Whatever changes something is recorded: `coverage.tsv` says by which tags, or why not, and this compares it.

A row is a procedure that is registered, a job that nobody calls, or what a form of auth's site does. The first four
columns are read from the source and must be what they are; `because` is ours: why a change needs no entry of its own. A
new procedure that changes something without a row fails here; so does a form, and so does a function that writes or
records and belongs to no row.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest
from attrs import frozen

from services.auth.pages.desk import Desk
from services.auth.pages.whole import routes_of
from shared.audit import Action
from tests.unit.audit_coverage.call_graph import ROOT, Name, Service
from tests.unit.shared.test_every_procedure_is_known import IDS

TABLE: Final = Path(__file__).with_name("coverage.tsv")
SERVICES: Final = ("auth", "realms", "devices", "privileges", "audit", "gateway", "fleetdb", "tunnels")
TITLES: Final = ("what", "writes", "records", "asks", "because")
JOBS: Final[tuple[Name, ...]] = (
    ("services.auth.first_owner", "ensure"),
    ("services.auth.cutting", "Cuts.keep_up"),
    ("services.auth.erasure", "Erasure.keep_up"),
    ("services.auth.administration", "Administration.sweep"),
    ("services.auth.provider.clients", "Clients.ensure_own"),
    ("services.auth.provider.signing_keys", "SigningKeys.rotate"),
    ("services.auth.provider.families", "Families.keep_up"),
    ("services.auth.provider.families", "Families.sweep"),
    ("services.auth.provider.ending", "Endings.tell_due"),
    ("services.auth.provider.exchange", "Exchange.token"),
    ("services.auth.provider.exchange", "Exchange.revoke"),
    ("services.auth.provider.exchange", "Exchange.introspect"),
    ("services.auth.provider.exchange", "Exchange.begin_device"),
    ("services.auth.provider.userinfo", "UserInfo.show"),
    ("services.auth.upstream.checks", "Checks.keep_up"),
    ("services.auth.upstream.logouts", "Logouts.take"),
    ("services.auth.mailing", "Mailing.deliver_due"),
    ("services.auth.resealing", "reseal_everything"),
    ("services.devices.alerts.alerting", "Alerting.look"),
    ("services.devices.alerts.delivery", "AlertDelivery.tell_due"),
    ("services.devices.alerts.feed", "AlertFeed.tell_untold"),
    ("services.devices.apps.sessions", "AppSessions.keep_up"),
    ("services.devices.certifying", "Erasures.keep_up"),
    ("services.devices.apps.delivery", "AppDelivery.keep_up"),
    ("services.devices.apps.tunnel_telling", "TunnelTelling.keep_up"),
    ("services.devices.apps.group_applying", "GroupApplying.keep_up"),
    ("services.devices.apps.installs", "Installs.compare"),
    ("services.devices.apps.installs", "Installs._hear"),
    ("services.devices.duplicates", "Duplicates._record"),
    ("services.devices.operations.intents", "Intents.repair"),
    ("services.devices.lifecycle", "Lifecycle.repair"),
    ("services.devices.apps.rotating", "Rotating.repair"),
    ("services.devices.moving", "Moving.keep_up"),
    ("services.devices.owners", "Owners.compare"),
    ("services.devices.presence", "Presence.keep_true"),
    ("services.devices.rollouts.driving", "RolloutDriving.keep_up"),
    ("services.devices.telling", "Outbox.keep_up"),
    ("services.devices.terminals.terminals", "Terminals.end_left"),
    ("services.privileges.erased", "Erased.compare"),
    ("services.privileges.inventory", "Inventory.ensure_operator"),
    ("services.privileges.sweeping", "Sweeping.sweep"),
    ("services.privileges.transfers", "Transfers.repair"),
    ("services.privileges.app_transfers", "AppTransfers.tell_owners"),
    ("services.realms.announcing", "Announcing.keep_up"),
    ("services.realms.backends", "Backends.keep_up"),
    ("services.realms.legacy", "LegacyModes.end_due"),
    ("services.realms.moving", "Moving.drain"),
    ("services.realms.moving", "Moving.end_moved"),
    ("services.realms.provisioner.working", "Provisioner.work"),
    ("services.realms.provisioner.working", "Provisioner.watch"),
    ("services.realms.board_sessions", "BoardSessions.keep_up"),
    ("services.realms.telling", "Telling.keep_up"),
    ("services.audit.integrator", "Integrator.run"),
    ("services.audit.redacting", "redact_due"),
    ("services.audit.witnesses", "Witnessing.run"),
    ("services.audit.forwarders", "Forwarding.run"),
    ("services.gateway.serving", "Serving.answer"),
    # What data realms serve: the published clients know these by other names than ours.
    ("services.fleetdb.procedures.writes", "WriteProcedures.append"),
    ("services.fleetdb.procedures.writes", "WriteProcedures.append_bulk"),
    ("services.fleetdb.procedures.writes", "WriteProcedures.published"),
    ("services.fleetdb.procedures.writes", "WriteProcedures.published_bulk"),
    ("services.fleetdb.procedures.reads", "ReadProcedures.history"),
    ("services.fleetdb.procedures.reveals", "RevealProcedures.reveal"),
    ("services.fleetdb.procedures.reveals", "RevealProcedures.verify"),
    ("services.fleetdb.procedures.locations", "LocationProcedures.update"),
    ("services.fleetdb.moving", "Moving.keep_up"),
    ("services.fleetdb.realms", "Realms.keep_true"),
    ("services.fleetdb.taking", "Taking.take"),
    ("services.fleetdb.logins", "Logins.settle"),
    ("services.fleetdb.taking", "Taking.drop"),
    ("services.fleetdb.connections", "Connections.keep_up"),
    ("services.fleetdb.transforms", "Transforms.look"),
    ("services.fleetdb.retention", "Retention.tend"),
    ("services.fleetdb.resealing", "Resealing.reseal"),
    ("services.fleetdb.followers", "Followers.write_down"),
    ("services.fleetdb.sql_recording", "SqlRecording.begun"),
    ("services.fleetdb.sql_recording", "SqlRecording.asked"),
    ("services.fleetdb.sql_recording", "SqlRecording.ended"),
    ("services.gateway.keeping", "Keeping.sweep"),
    ("services.tunnels.departing", "Departures.keep_true"),
    ("services.tunnels.departing", "PortKeeping.keep"),
    ("services.tunnels.edge_news", "EdgeNews.tell"),
    ("services.tunnels.identity", "Identity.assertion"),
    ("services.tunnels.nodes", "Nodes.judge"),
    ("services.tunnels.nodes", "Nodes.keep_true"),
    ("services.tunnels.recording", "Recordings.begin_recording"),
    ("services.tunnels.recording", "Recordings.write_down_all"),
    ("services.tunnels.recording", "Recordings.sweep_recordings"),
    ("services.tunnels.recording", "VisitRecording.complete"),
    ("services.tunnels.visiting", "Visiting.begin"),
    ("services.tunnels.visiting", "Visiting.conclude"),
    ("services.tunnels.visiting", "Visiting.keep_true"),
    ("services.tunnels.visiting", "Visiting.mend"),
    ("services.tunnels.web_sign_in", "SignIn.hand_over"),
)


class Anything:
    """Stands for every part that pages are made of: routes are told without one."""

    def __getattr__(self, name: str) -> "Anything":  # noqa: D105 - all that it is
        return self


def name_of(render: Any) -> Name:
    return render.__func__.__module__, render.__func__.__qualname__


ROUTES: Final = routes_of(cast("Desk", Anything()))
SHOWN: Final = {route.path: name_of(route.render) for route in ROUTES if route.method == "GET"}
SENT: Final = {f"POST {route.path}": name_of(route.render) for route in ROUTES if route.method == "POST"}
REQUESTED: Final = ["self", "request"]
# What clients and providers send people to, which is looked at: a code is made, a session ends, somebody signs in.
COME_TO: Final = ("/oauth/authorize", "/oauth/end_session", "/upstream/<name>/callback")
PROTOCOL: Final = {f"GET {path}": SHOWN.pop(path) for path in COME_TO}
# Every page looks who asks.
VISITED: Final[Name] = ("services.auth.sessions", "Sessions.find")
# Tags that nothing records yet; whoever does takes theirs out.
LATER: Final = {
    "client.changed", "token.refused",
}  # fmt: skip
# Tags of refused attempts: what changes something has another one.
ATTEMPTS: Final = {
    "data.impersonated", "device.impersonated", "device.duplicated", "sign_in.refused", "tunnel.impersonated",
}  # fmt: skip
GRAPHS: Final = {name: Service(name) for name in SERVICES}


@frozen
class Line:
    """One row, without our reason."""

    what: str
    writes: frozenset[str]
    records: frozenset[str]
    asks: frozenset[str]

    @property
    def changes(self) -> bool:
        """Whether it belongs into the table."""
        return bool(self.writes or self.records)


def graph_of(name: Name) -> Service:
    return GRAPHS[name[0].split(".")[1]]


def line_of(what: str, name: Name) -> Line:
    graph = graph_of(name)
    tags = frozenset(Action[tag].value for tag in graph.tags(name))
    return Line(what, frozenset(graph.writes(name)), tags, frozenset(graph.asks(name)))


def regenerated() -> list[Line]:
    """Every row as the source has it; of the procedures of others those that have a row."""
    procedures = [(uri, name) for graph in GRAPHS.values() for uri, name in graph.procedures.items()]
    jobs = [(f"{module.removeprefix('services.')}.{place}", (module, place)) for module, place in (VISITED, *JOBS)]
    lines = [line for what, name in (*sorted(procedures), *jobs) if (line := line_of(what, name)).changes]
    lines += [line_of(what, name) for what, name in sorted({**SENT, **PROTOCOL}.items())]
    known = {line.what for line in lines}
    return [Line(line.what, line.writes, line.records, line.asks & known) for line in lines]


def rows() -> list[list[str]]:
    titles, *lines = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()]
    assert tuple(titles) == TITLES
    return lines


def texts(line: Line) -> list[str]:
    return [line.what, *(" ".join(sorted(each)) for each in (line.writes, line.records, line.asks))]


def test_the_table_is_what_the_source_does() -> None:
    assert [row[:4] for row in rows()] == [texts(line) for line in regenerated()]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_change_is_recorded_or_has_its_reason(row: list[str]) -> None:
    _, writes, records, _, because = row

    is_silent = bool(writes) and not set(records.split()) - ATTEMPTS

    assert is_silent == bool(because), "recorded, or a reason why not; not both"


def test_every_registered_procedure_was_looked_at() -> None:
    assert {uri for graph in GRAPHS.values() for uri in graph.procedures} == set(IDS)


def test_every_tag_is_recorded_by_somebody() -> None:
    recorded = {tag for row in rows() for tag in row[2].split()}

    assert recorded | LATER == {action.value for action in Action}
    assert recorded & LATER == set()


@pytest.mark.parametrize("service", SERVICES)
def test_whatever_writes_or_records_belongs_to_a_row(service: str) -> None:
    graph = GRAPHS[service]
    begun = [
        *graph.procedures.values(),
        *(name for name in (VISITED, *SENT.values(), *PROTOCOL.values(), *JOBS) if graph_of(name) is graph),
    ]
    reached = {name for start in begun for name in graph.reached(start)}
    acting = {name for name, facts in graph.facts.items() if facts.writes or facts.records}

    assert acting - reached == set()


def test_looking_at_a_page_changes_nothing() -> None:
    for path, name in SHOWN.items():
        line = line_of(path, name)
        assert line.writes <= {"auth.data_key"}, path  # made when there is none, as in app_cred_key.find
        assert not line.records, path


def answering() -> Iterator[tuple[str, str, str]]:
    """Whatever answers a request: the class, the method and its source."""
    for file in sorted((ROOT / "services").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        for node in (each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.ClassDef)):
            for each in (part for part in node.body if isinstance(part, ast.FunctionDef)):
                if each.name.startswith("render") and [arg.arg for arg in each.args.args] == REQUESTED:
                    yield node.name, each.name, ast.get_source_segment(text, each) or ""


def test_over_https_nothing_is_changed_but_by_the_forms_that_have_a_row() -> None:
    """Beside reading there is the front of the pages, which knows the routes alone."""
    answers = list(answering())

    assert len(answers) > 6
    for kind, method, text in answers:
        reads = method in ("render_GET", "render_HEAD") or "NOT_ALLOWED" in text
        assert reads or (kind, method) in {
            ("Pages", "render"),
            ("Files", "render"),
            ("Misdirected", "render"),
            ("Programs", "render"),  # whose endpoints stand among the jobs
            ("Rest", "render"),  # which calls procedures
            ("Decisions", "render"),  # which calls those of privileges that read
            ("PluginResource", "render_POST"),  # which asks `Nodes.judge`, a job
        }
