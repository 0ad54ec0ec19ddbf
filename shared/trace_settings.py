"""Whether the traces of a process are sent, and where: read by every process, so that it loads nothing else."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from shared.settings import Settings, SettingsError

PATH: Final = "/v1/traces"
RATIO: Final = 0.1


@frozen
class TraceSettings:
    """Where spans are sent, who certifies the collector, and which part of all traces is kept (0 to 1)."""

    endpoint: str
    ca: Path
    ratio: float


def begin_traces(process: str, found: TraceSettings | None) -> Callable[[], None]:
    """Send what is traced in this process, where `found` says so; what is returned ends that, within 2 s.

    What sends is loaded here and nowhere else: it costs memory that a process without traces does not need.
    """
    if found is None:
        return _nothing
    end: Callable[[], None] = import_module("shared.trace_export").begin(process, found)
    return end


def _nothing() -> None:
    """Nothing was begun."""


def trace_settings(settings: Settings) -> TraceSettings | None:
    """`OTLP_ENDPOINT`, `OTLP_CA_FILE` (else `CA_FILE`), `OTLP_SAMPLE_RATIO`; without an endpoint nothing is traced.

    Raises:
        SettingsError: The endpoint is no plain https URL, or the ratio none.
    """
    endpoint = settings.text("OTLP_ENDPOINT", "").rstrip("/")
    ca, ratio = settings.text("OTLP_CA_FILE", ""), settings.ratio("OTLP_SAMPLE_RATIO", RATIO)
    if not endpoint:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError("OTLP_ENDPOINT must be a URL like https://collector.example.com:4318")
    return TraceSettings(endpoint + PATH, Path(ca) if ca else settings.path("CA_FILE"), ratio)
