"""What was not seen is no evidence of anything."""

from attrs import evolve

from deploy.flockctl.compliance.controls import controls
from deploy.flockctl.compliance.judging import judge
from deploy.flockctl.compliance.looking import NEEDS, looked_at
from deploy.flockctl.compliance.records import Seen, Status
from deploy.flockctl.doctor.checks import CHECKS, diagnose
from deploy.flockctl.doctor.records import Backups, Facts

NOTHING = Facts(
    now=0.0, phase="stopped", renewal_problem="", parts=(), outdated=(), cells=(), certificates=(), listeners=(),
    clocks=(), disks=(), old_keys=(), loose_files=(), weak_secrets=(), secrets_made={}, settings={},
    database=None, database_problem="away", log=None, backups=Backups(None, None, None),
)  # fmt: skip


def test_every_need_is_of_a_check() -> None:
    assert NEEDS.keys() <= {check.code for check in CHECKS}


def test_of_a_platform_that_stands_still_little_was_looked_at() -> None:
    looked = looked_at(NOTHING, CHECKS)

    for code in ("superuser", "audit_log", "old_tls", "open_sign_up", "clock_apart", "public_tunnels"):
        assert code not in looked
    assert {"database_away", "part_not_ready", "backup_missing"} <= looked


def test_nothing_is_shown_of_a_platform_that_stands_still() -> None:
    found = {finding.code: (finding.what,) for finding in diagnose(NOTHING, CHECKS)}
    seen = Seen(found, looked_at(NOTHING, CHECKS), None)

    shown = [verdict for verdict in judge(controls(), seen) if verdict.status in (Status.SHOWN, Status.PARTLY)]

    by_files_alone = {"disk_filling", "file_open_to_others", "weak_secret", "not_renewed", "certificate_ends"}
    assert all(set(verdict.control.checks) <= by_files_alone for verdict in shown), shown


def test_with_settings_they_were_looked_at() -> None:
    assert "open_sign_up" in looked_at(evolve(NOTHING, settings={"IRONFLOCK_AUTH_SIGN_UP": "invitation"}), CHECKS)


def test_what_cannot_be_seen_from_within_a_cluster_was_not_looked_at() -> None:
    within = evolve(NOTHING, unseen={"weak_secret": "it has none", "public ports": "no policy lets it there"})

    assert looked_at(NOTHING, CHECKS) - looked_at(within, CHECKS) == {"weak_secret"}
