"""The device configuration file (`.flock`), as the agent reads it.

Only what the wire needs is taken; the other keys are left alone, as by the agent.
"""

import json
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen

MAX_FLOCK_OCTETS: Final = 1 << 20
MAX_KEY: Final = 2**53


class FlockError(Exception):
    """The file is no usable device configuration; the text says why."""


@frozen
class Flock:
    """Who the device is and where it connects. `project_key` is the file's `swarm_key`.

    By `update_url` and `environment` it updates its agent; without the first it does not.
    """

    project_key: int
    device_key: int
    serial_number: str
    secret: str = field(repr=False)
    endpoint_url: str
    name: str
    update_url: str = ""
    environment: str = "production"

    @property
    def authid(self) -> str:
        """The name under which the device joins: `<project_key>-<device_key>`."""
        return f"{self.project_key}-{self.device_key}"


def parse_flock(text: str) -> Flock:
    """The device configuration written in `text`, JSON.

    Raises:
        FlockError: Not JSON, a key is missing or of the wrong type, or the endpoint is not `wss://`.
    """
    return flock_from_content(_content(text))


def flock_from_content(content: object) -> Flock:
    """The device configuration in a decoded file.

    Raises:
        FlockError: As `parse_flock`.
    """
    if not isinstance(content, dict):
        raise FlockError("a .flock file holds one JSON object")
    serial = _text(content, "serial_number")
    if "." in serial:
        raise FlockError("serial_number must not contain a dot: it is one segment of a URI")
    return Flock(
        project_key=_key(content, "swarm_key"),
        device_key=_key(content, "device_key"),
        serial_number=serial,
        secret=_text(content, "secret"),
        endpoint_url=_endpoint(content),
        name=content["name"] if isinstance(content.get("name"), str) else serial,
        update_url=str(content.get("update_url") or "").rstrip("/"),
        environment=str(content.get("environment") or "production"),
    )


def _content(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FlockError("not a .flock file: it is not JSON") from error


def _text(content: dict[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value:
        raise FlockError(f"{key} must be a text that is not empty")
    return value


def _key(content: dict[str, Any], key: str) -> int:
    value = content.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < MAX_KEY:
        raise FlockError(f"{key} must be a whole number from 1 to 2^53 - 1")
    return value


def _endpoint(content: dict[str, Any]) -> str:
    url = _text(content, "device_endpoint_url")
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "wss" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise FlockError("device_endpoint_url must be a wss:// URL: nothing here speaks without TLS")
    return url
