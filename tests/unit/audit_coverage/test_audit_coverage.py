"""Whatever changes something is recorded: `coverage.tsv` says by which tags, or why not, and this compares it.

A row is a procedure that is registered, or a job that nobody calls. The first five columns are read from the source and
must be what they are; `because` is ours: why a change needs no entry of its own. A new procedure that changes something
without a row fails here; so does a function that writes or records and belongs to no row.
"""

import re
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from shared.audit import Action
from tests.unit.audit_coverage.call_graph import ROOT, Name, Service
from tests.unit.shared.test_every_procedure_is_known import IDS

TABLE: Final = Path(__file__).with_name("coverage.tsv")
SERVICES: Final = ("auth", "realms", "devices", "audit", "gateway")
TITLES: Final = ("what", "writes", "records", "asks", "because")
JOBS: Final[tuple[Name, ...]] = (
    ("services.auth.first_owner", "ensure"),
    ("services.auth.erasure", "Erasure.keep_up"),
    ("services.auth.administration", "Administration.sweep"),
    ("services.auth.mailing", "Mailing.deliver_due"),
    ("services.auth.resealing", "reseal_everything"),
    ("services.devices.duplicates", "Duplicates._record"),
    ("services.devices.lifecycle", "Lifecycle.repair"),
    ("services.devices.owners", "Owners.keep_true"),
    ("services.devices.presence", "Presence.keep_true"),
    ("services.audit.integrator", "Integrator.run"),
    ("services.audit.redacting", "redact_due"),
    ("services.audit.witnesses", "Witnessing.run"),
    ("services.audit.forwarders", "Forwarding.run"),
    ("services.gateway.serving", "Serving.answer"),
    ("services.gateway.keeping", "Keeping.sweep"),
)
# What people do on auth's pages.
PAGES: Final[tuple[Name, ...]] = (
    *(("services.auth.sign_in", f"SignIn.{each}") for each in (
        "with_password", "with_totp", "with_recovery_code", "passkey_options", "with_passkey",
    )),
    *(("services.auth.reauthentication", f"Reauthentication.{each}") for each in (
        "with_password", "with_code", "passkey_options", "with_passkey",
    )),
    *(("services.auth.registration", f"Registration.{each}") for each in ("sign_up", "accept")),
    *(("services.auth.account_changes", f"AccountChanges.{each}") for each in (
        "ask_reset", "reset", "change_password", "ask_address", "confirm_address",
    )),
    *(("services.auth.factors", f"Factors.{each}") for each in ("begin_totp", "confirm_totp")),
    *(("services.auth.passkeys", f"Passkeys.{each}") for each in ("begin", "add")),
    ("services.auth.sessions", "Sessions.find"),
)  # fmt: skip
# Tags that nothing records yet; whoever does takes theirs out.
LATER: Final = {
    "client.changed", "client.ended", "client.registered", "consent.granted", "consent.revoked",
    "device_code.approved", "device_code.refused", "refresh_token.replayed",
    "signing_key.created", "token.refused", "token_family.ended", "upstream.linked",
    "upstream.unlinked",
}  # fmt: skip
# Tags of refused attempts: what changes something has another one.
ATTEMPTS: Final = {"device.impersonated", "device.duplicated", "sign_in.refused"}
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
    jobs = [(f"{module.removeprefix('services.')}.{place}", (module, place)) for module, place in (*PAGES, *JOBS)]
    lines = [line for what, name in (*sorted(procedures), *jobs) if (line := line_of(what, name)).changes]
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
    begun = [*graph.procedures.values(), *(name for name in (*PAGES, *JOBS) if graph_of(name) is graph)]
    reached = {name for start in begun for name in graph.reached(start)}
    acting = {name for name, facts in graph.facts.items() if facts.writes or facts.records}

    assert acting - reached == set()


def test_no_route_over_https_changes_anything() -> None:
    verbs = re.compile(r"def render_(?!GET|HEAD)[A-Z]+\b.*?\n(?=    def |\S|\Z)", re.DOTALL)
    for file in (ROOT / "services").rglob("*.py"):
        for method in verbs.findall(file.read_text(encoding="utf-8")):
            assert "NOT_ALLOWED" in method, f"{file} serves more than reading"


def test_rest_alone_takes_every_method_and_changes_through_procedures_only() -> None:
    taking = {
        str(file.relative_to(ROOT)) for file in (ROOT / "services").rglob("*.py") if "def render(" in file.read_text()
    }

    assert taking == {"services/gateway/procedures/rest.py"}
