"""Whether and where traces are sent."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import Settings, SettingsError
from shared.trace_settings import TraceSettings, trace_settings


def settings(**variables: str) -> Settings:
    return Settings("X", {f"IRONFLOCK_X_{name}": value for name, value in variables.items()})


def test_nothing_is_sent_unless_told_where() -> None:
    found = settings(CA_FILE="ca.pem", OTLP_SAMPLE_RATIO="1")

    assert trace_settings(found) is None
    with pytest.raises(SettingsError, match="CA_FILE"):
        found.refuse_unknown()


def test_without_a_place_to_send_them_to_nothing_is_begun_and_nothing_to_end() -> None:
    begun = "from shared.trace_settings import begin_traces; import sys; begin_traces('x', None)()"
    told = f"{begun}; print('shared.trace_export' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", told], check=True, capture_output=True).stdout == b"False\n"


def test_the_installations_own_authority_is_believed_unless_told_otherwise() -> None:
    url = "https://collector.example:4318/"

    assert trace_settings(settings(OTLP_ENDPOINT=url, CA_FILE="ca.pem")) == TraceSettings(
        "https://collector.example:4318/v1/traces", Path("ca.pem"), 0.1
    )
    other = trace_settings(settings(OTLP_ENDPOINT=url, CA_FILE="ca.pem", OTLP_CA_FILE="o.pem", OTLP_SAMPLE_RATIO="0.5"))
    assert other == TraceSettings("https://collector.example:4318/v1/traces", Path("o.pem"), 0.5)


@pytest.mark.parametrize(
    "url",
    ["http://collector.example:4318", "collector:4318", "https://", "https://u:p@c", "https://c/?q=1", "https://c/#x"],
)
def test_given_a_collector_without_tls_or_with_more_than_a_place_then_the_variable_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match="OTLP_ENDPOINT"):
        trace_settings(settings(OTLP_ENDPOINT=url, CA_FILE="ca.pem"))


@pytest.mark.parametrize("ratio", ["-0.1", "1.1", "all", "nan", "inf"])
def test_given_no_part_of_a_whole_then_the_variable_is_named(ratio: str) -> None:
    with pytest.raises(SettingsError, match="OTLP_SAMPLE_RATIO"):
        trace_settings(settings(OTLP_SAMPLE_RATIO=ratio))
