"""Every source file of services/ and shared/ has its test file; the exceptions stand here with their reason."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
EXCEPTIONS = {
    "__init__": "a docstring",
    "__main__": "starts the service: tests/unit/shared/test_service.py and tests/e2e",
    "records": "values without a decision; what decodes them is tested in every procedure",
    "agent_records": "as records",
    "app_records": "as records",
}
# Files whose rules show only through the room above, which is tested against a real database.
TESTED_AS = {
    "services/fleetdb/rules/documents.py": "test_values.py",
    "services/fleetdb/rules/numbers.py": "test_values.py",
    "services/fleetdb/rules/texts.py": "test_values.py",
    "services/fleetdb/store/catalog.py": "test_making.py",
    "services/fleetdb/store/downsampling.py": "test_retention.py",
    "services/fleetdb/store/inheriting.py": "test_writing.py",
    "services/fleetdb/store/rows.py": "test_writing.py",
    "services/fleetdb/store/tables.py": "test_making.py",
    "services/audit/bell.py": "test_tailing.py",
    "services/audit/exporting.py": "test_exports.py",
    "services/audit/procedures/entries.py": "test_reading.py",
    "services/audit/proofs.py": "test_tiles.py",
    "services/audit/store/entries.py": "test_reading.py",
    "services/audit/store/log.py": "test_integrator.py",
    "services/audit/store/upkeep.py": "test_retention.py",
    "services/audit/redacting.py": "test_retention.py",
    "services/auth/procedures/board_tickets.py": "test_board_tickets.py",
    "services/auth/store/board_tickets.py": "test_board_tickets.py",
    "services/auth/apps.py": "test_app_credentials.py",
    "services/auth/pages/upstream.py": "test_upstream_pages.py",
    "services/auth/store/upstream.py": "test_upstream_pages.py",
    "services/auth/upstream/asking.py": "test_upstream_answers.py",
    "services/auth/upstream/requests.py": "test_upstream_answers.py",
    "services/auth/upstream/coming.py": "test_upstream_pages.py",
    "services/auth/upstream/links.py": "test_upstream_pages.py",
    "services/auth/upstream/checks.py": "test_upstream_endings.py",
    "services/auth/upstream/logouts.py": "test_upstream_endings.py",
    "services/auth/upstream/whole.py": "test_upstream_pages.py",
    "services/auth/pages/applications.py": "test_authorization.py",
    "services/auth/pages/api_keys.py": "test_api_key_pages.py",
    "services/auth/pages/ending.py": "test_ending_pages.py",
    "services/auth/procedures/clients.py": "test_clients.py",
    "services/auth/provider/consents.py": "test_authorization.py",
    "services/auth/provider/endpoints.py": "test_exchange.py",
    "services/auth/provider/engine.py": "test_exchange.py",
    "services/auth/provider/facts.py": "test_exchange.py",
    "services/auth/provider/families.py": "test_exchange.py",
    "services/auth/provider/ids.py": "test_devices.py",
    "services/auth/provider/requests.py": "test_exchange.py",
    "services/auth/provider/tokens.py": "test_access_tokens.py",
    "services/auth/provider/userinfo.py": "test_exchange.py",
    "services/auth/store/clients.py": "test_clients.py",
    "services/auth/store/grants.py": "test_exchange.py",
    "services/auth/pages/account.py": "test_account_pages.py",
    "services/auth/pages/coming.py": "test_coming_pages.py",
    "services/auth/pages/desk.py": "test_sign_in_pages.py",
    "services/auth/pages/factors.py": "test_factor_pages.py",
    "services/auth/pages/leaving.py": "test_leaving_pages.py",
    "services/auth/pages/own_data.py": "test_own_data_pages.py",
    "services/auth/pages/passkeys.py": "test_passkey_pages.py",
    "services/auth/pages/recovery.py": "test_recovery_pages.py",
    "services/auth/pages/routes.py": "test_whole.py",
    "services/auth/pages/sessions.py": "test_session_pages.py",
    "services/auth/pages/sign_in.py": "test_sign_in_pages.py",
    "services/auth/pages/step_up.py": "test_step_up_pages.py",
    "services/auth/procedures/accounts.py": "test_procedures.py",
    "services/auth/procedures/callers.py": "test_procedures.py",
    "services/auth/procedures/devices.py": "test_procedures.py",
    "services/auth/procedures/tickets.py": "test_procedures.py",
    "services/auth/rules/accounts.py": "test_rules.py",
    "services/auth/rules/api_keys.py": "test_rules.py",
    "services/auth/rules/devices.py": "test_rules.py",
    "services/auth/store/accounts.py": "test_procedures.py",
    "services/auth/store/api_keys.py": "test_procedures.py",
    "services/auth/store/devices.py": "test_procedures.py",
    "services/auth/store/sealing.py": "test_resealing.py",
    "services/auth/service_accounts.py": "test_api_keys.py",
    "services/auth/assembly.py": "test_people.py",
    "services/auth/keyring.py": "test_resealing.py",
    "services/auth/links.py": "test_registration.py",
    "services/auth/passwords.py": "test_sign_in.py",
    "services/auth/persons.py": "test_people.py",
    "services/auth/procedures/factors.py": "test_people.py",
    "services/auth/sign_in_parts.py": "test_sign_in.py",
    "services/auth/store/factors.py": "test_factors.py",
    "services/auth/store/links.py": "test_registration.py",
    "services/auth/store/messages.py": "test_mailing.py",
    "services/auth/store/people.py": "test_people.py",
    "services/auth/store/sessions.py": "test_sessions.py",
    "services/auth/store/throttle.py": "test_sign_in.py",
    "services/fleetdb/pools.py": "test_connections.py",
    "services/fleetdb/resealing.py": "test_secrets.py",
    "services/fleetdb/key_files.py": "test_connections.py",
    "services/fleetdb/sql_sessions.py": "test_sql_front.py",
    "services/fleetdb/upstream.py": "test_sql_front.py",
    "services/realms/provisioner/readers.py": "test_readers.py",
    "services/realms/store/readers.py": "test_readers.py",
    "services/realms/store/retention.py": "test_retaining.py",
    "shared/templates.py": "test_templates.py",
    "services/fleetdb/store/credentials.py": "test_logins.py",
    "services/gateway/calling.py": "test_serving.py",
    "services/gateway/entrance.py": "test_serving.py",
    "services/gateway/procedures/requests.py": "test_rest.py",
    "services/gateway/refusing.py": "test_serving.py",
    "services/gateway/store.py": "test_keeping.py",
    "services/realms/assembly.py": "test_projects.py",
    "services/realms/drafts.py": "test_projects.py",
    "services/realms/factors.py": "test_projects.py",
    "services/realms/installing.py": "test_installs.py",
    "services/realms/procedures/services.py": "test_installs.py",
    "services/realms/store/news.py": "test_announcing.py",
    "services/fleetdb/answering.py": "test_joining.py",
    "services/fleetdb/assembly.py": "test_writes.py",
    "services/fleetdb/authority.py": "test_provisioned.py",
    "services/privileges/procedures/apps.py": "test_app_transfers.py",
    "services/privileges/store/apps.py": "test_app_transfers.py",
    "deploy/flockctl/commands/app_transfers.py": "test_app_commands.py",
    "services/fleetdb/procedures/exports.py": "test_exporting.py",
    "services/fleetdb/store/exports.py": "test_exporting.py",
    "deploy/flockctl/commands/backend_export.py": "test_realm_commands.py",
    "services/fleetdb/foreign_reads.py": "test_reads.py",
    "services/fleetdb/problems.py": "test_writes.py",
    "services/fleetdb/procedures/access.py": "test_reads.py",
    "services/fleetdb/procedures/locations.py": "test_writes.py",
    "services/fleetdb/procedures/reveals.py": "test_reads.py",
    "services/fleetdb/sending.py": "test_chunks.py",
    "services/fleetdb/errors.py": "test_joining.py",
    "services/fleetdb/live.py": "test_joining.py",
    "services/fleetdb/procedures/declaring.py": "test_joining.py",
    "services/fleetdb/realms.py": "test_joining.py",
    "services/realms/store/provisioning.py": "test_provisioner.py",
    "services/realms/provisioner/certificates.py": "test_provisioner.py",
    "services/realms/provisioner/cluster.py": "test_provisioner.py",
    "services/realms/provisioner/dropping.py": "test_backend_drop.py",
    "services/realms/provisioner/settings.py": "test_provisioner_process.py",
    "services/realms/provisioner/working.py": "test_provisioner.py",
    "services/privileges/asking.py": "test_questions.py",
    "services/privileges/ledger.py": "test_news.py",
    "services/privileges/people.py": "test_granting.py",
    "services/privileges/procedures/grants.py": "test_granting.py",
    "services/privileges/procedures/locks.py": "test_locking.py",
    "services/privileges/procedures/members.py": "test_membership.py",
    "services/privileges/store/domains.py": "test_inventory.py",
    "services/privileges/store/grants.py": "test_granting.py",
    "services/privileges/store/history.py": "test_questions.py",
    "services/privileges/store/locks.py": "test_locking.py",
    "services/privileges/store/people.py": "test_membership.py",
    "services/privileges/store/rows_of.py": "test_granting.py",
    "services/privileges/store/standings.py": "test_services.py",
    "services/devices/procedures/agents.py": "test_agents.py",
    "services/devices/assembly.py": "test_people.py",
    "services/devices/procedures/people.py": "test_people.py",
    "services/devices/store/devices.py": "test_store.py",
    "services/devices/store/groups.py": "test_groups.py",
    "services/devices/store/outbox.py": "test_telling.py",
    "services/devices/store/projects.py": "test_store.py",
}
SOURCES = sorted(
    path.relative_to(ROOT)
    for root in ("services", "shared")
    for path in (ROOT / root).rglob("*.py")
    if path.stem not in EXCEPTIONS and path.parent.name not in EXCEPTIONS
)


def areas_of(source: Path) -> set[str]:
    """The folders of its tests; a folder of `shared` may have one of its own."""
    if source.parts[0] == "services":
        return {source.parts[1]}
    return {"shared"} if len(source.parts) == 2 else {source.parts[1], f"shared/{source.parts[1]}"}


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_every_source_file_has_its_test_file(source: Path) -> None:
    name = TESTED_AS.get(str(source), f"test_{source.stem}.py")

    assert any(
        (TESTS / kind / area / name).exists() for kind in ("unit", "integration") for area in areas_of(source)
    ), name


def test_every_exception_is_needed() -> None:
    for source in TESTED_AS:
        assert (ROOT / source).exists()
