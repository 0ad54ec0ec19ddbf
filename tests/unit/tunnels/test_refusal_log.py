"""Lines about refused connections."""

from structlog.testing import capture_logs

from services.tunnels.refusal_log import RefusalLog
from shared.quiet import QUIET_S


def test_an_address_has_one_line_a_minute_with_the_count_of_all() -> None:
    now = 0.0
    refusals = RefusalLog(lambda: now)
    with capture_logs() as lines:
        for _ in range(100):
            refusals.say("tunnel_without_tls_refused", "192.0.2.1")
        refusals.say("tunnel_without_tls_refused", "192.0.2.2", reason="x")
        now = QUIET_S
        refusals.say("tunnel_wire_v2_refused", "192.0.2.1")

    assert [(line["event"], line["address"], line["count"]) for line in lines] == [
        ("tunnel_without_tls_refused", "192.0.2.1", 1),
        ("tunnel_without_tls_refused", "192.0.2.2", 1),
        ("tunnel_wire_v2_refused", "192.0.2.1", 100),
    ]
