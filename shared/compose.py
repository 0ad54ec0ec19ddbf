"""What a compose document asks of a device beyond containers of its own (decision 18), and which agents survive. Pure.

What is known to be harmless is named here; whatever else a document has counts as power over the device: a key of a
later version of the format, a key that is merged in, a variable where power could come from. Source: the Compose
specification.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from shared.errors import InvalidArgumentError, NotSupportedError

MAX_SERVICES: Final = 30
MAX_DEPTH: Final = 20
WHAT: Final = "compose"
NO_BUILDING: Final = "nothing is built here: push the images to a registry, and name them in the compose document"
_SERVICE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_OWN_VOLUME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
MIN_OWN_VOLUME: Final = 2
"""Letters before a colon: a single one is a drive of Windows."""
_LISTS: Final = ("ports", "volumes", "extra_hosts", "env_file")
"""What agents add to, or write anew. Source: wire-agent section 8."""


def check(document: Mapping[str, Any]) -> None:
    """Let pass what agents survive.

    Raises:
        InvalidArgumentError: It has no services, or is not of the shape that agents take.
        NotSupportedError: A service is to be built.
    """
    _check_value(document, MAX_DEPTH)
    services = document.get("services")
    if not isinstance(services, dict) or not 0 < len(services) <= MAX_SERVICES:
        raise _refusal(f"it needs `services`, an object of 1 to {MAX_SERVICES}")
    for name, service in services.items():
        if not _SERVICE_NAME.fullmatch(name):
            raise _refusal("a service has a name of letters, digits, dots, underscores and hyphens")
        _check_service(name, service)
    for name in ("volumes", "networks", "configs", "secrets"):
        if not isinstance(document.get(name, {}), dict | None):
            raise _refusal(f"`{name}` is an object")


def _check_service(name: str, service: object) -> None:
    if not isinstance(service, dict):
        raise _refusal(f"the service {name} is no object")
    if service.get("build") is not None:
        raise NotSupportedError(NO_BUILDING)
    if not isinstance(service.get("image"), str) or not service["image"]:
        raise _refusal(f"the service {name} names no image")
    for key in _LISTS:
        entries = service.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(each, str | dict) for each in entries):
            raise _refusal(f"`{key}` of the service {name} is a list of texts or objects")


def _check_value(value: object, depth: int) -> None:
    if depth < 0:
        raise _refusal(f"it may be {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        for name, each in value.items():
            _check_value(name if isinstance(name, str) else math.nan, depth)
            _check_value(each, depth - 1)
    elif isinstance(value, list):
        for each in value:
            _check_value(each, depth - 1)
    elif isinstance(value, float):
        raise _refusal("agents take no numbers with a point; write them as texts")
    elif not _can_be_kept(value):
        raise _refusal("a text or a number of it cannot be kept")


def _can_be_kept(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    return not isinstance(value, int) or abs(value) < 2**53


def _refusal(text: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{WHAT}: {text}", argument=WHAT)


def elevations(document: Mapping[str, Any] | None) -> list[str]:
    """Where the document asks for more than containers of its own, as `services.web.privileged`, in order.

    Privileged containers, namespaces, mounts, devices and capabilities of the host, and all that is not known here.
    """
    return [] if document is None else sorted(set(_of_document(document)))


def _of_document(document: Mapping[str, Any]) -> Iterator[str]:
    for key, value in document.items():
        if value is None or key in ("name", "version") or key.startswith("x-"):
            continue
        rules = _PARTS.get(key)
        if rules is None or not isinstance(value, dict):
            yield key
            continue
        for name, part in value.items():
            if not _SERVICE_NAME.fullmatch(name) or not isinstance(part, dict | None):
                yield f"{key}.{name}"
            elif part is not None:
                yield from (f"{key}.{name}.{each}" for each in _of_part(rules, part))


def _of_part(rules: "Mapping[str, _Rule]", part: Mapping[str, Any]) -> Iterator[str]:
    for key, value in part.items():
        if value is None or key.startswith("x-"):
            continue
        rule = rules.get(key)
        if rule is None or not rule(value):
            yield key


_Rule = Callable[[Any], bool]


def _any(_: Any) -> bool:
    return True


def _nothing(value: Any) -> bool:
    return value is False or value in ([], {})


def _one_of(*words: str, prefix: str = "\0") -> _Rule:
    return lambda value: isinstance(value, str) and (value in words or (value.startswith(prefix) and "$" not in value))


def _within(**rules: _Rule) -> _Rule:
    return lambda value: isinstance(value, dict) and not [*_of_part(rules, value)]


def _are_own_volumes(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_own_volume, value))


def _is_own_volume(entry: Any) -> bool:
    """Whether it is a volume that the document names, or one without a name: no file of the host."""
    if isinstance(entry, dict):
        kind, source = entry.get("type"), entry.get("source")
        if kind == "tmpfs":
            return source is None
        return kind == "volume" and (
            source is None or (isinstance(source, str) and bool(_OWN_VOLUME.fullmatch(source)))
        )
    if not isinstance(entry, str) or "$" in entry:
        return False
    source, colon, target = entry.partition(":")
    if not colon:
        return source.startswith("/")  # a path in the container alone
    is_own = len(source) >= MIN_OWN_VOLUME and bool(_OWN_VOLUME.fullmatch(source))
    return is_own and target.startswith("/")


def _are_safe_options(value: Any) -> bool:
    return isinstance(value, list) and all(each in ("no-new-privileges", "no-new-privileges:true") for each in value)


_LIMITS: Final = _within(cpus=_any, memory=_any, pids=_any)
_DEPLOY: Final = _within(
    mode=_any,
    replicas=_any,
    labels=_any,
    restart_policy=_any,
    resources=_within(limits=_LIMITS, reservations=_LIMITS),
)
_HARMLESS: Final = (
    "image", "command", "entrypoint", "environment", "labels", "restart", "depends_on", "expose", "ports", "networks",
    "healthcheck", "working_dir", "user", "stop_signal", "stop_grace_period", "hostname", "domainname",
    "container_name", "dns", "dns_search", "dns_opt", "extra_hosts", "init", "read_only", "tty", "stdin_open", "tmpfs",
    "shm_size", "mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness", "cpus", "cpu_count", "cpu_percent",
    "cpu_shares", "cpu_quota", "cpu_period", "cpuset", "pids_limit", "ulimits", "cap_drop", "links", "profiles",
    "scale", "platform", "pull_policy", "attach", "configs", "secrets",
)  # fmt: skip
"""Of a service. What files `configs` and `secrets` are of is said at the document's top."""
_SERVICE: Final[Mapping[str, _Rule]] = {
    **dict.fromkeys(_HARMLESS, _any),
    "privileged": lambda value: value is False,
    "cap_add": _nothing,
    "devices": _nothing,
    "device_cgroup_rules": _nothing,
    "env_file": _nothing,
    "network_mode": _one_of("none", "bridge", "default", prefix="service:"),
    "ipc": _one_of("none", "private", "shareable", prefix="service:"),
    "pid": _one_of(prefix="service:"),
    "cgroup": _one_of("private"),
    "security_opt": _are_safe_options,
    "volumes": _are_own_volumes,
    "deploy": _DEPLOY,
    "logging": _within(driver=_one_of("json-file", "local", "none"), options=_any),
}
_PARTS: Final[Mapping[str, Mapping[str, _Rule]]] = {
    "services": _SERVICE,
    "volumes": {"driver": _one_of("local"), "driver_opts": _nothing, "labels": _any, "external": _nothing},
    "networks": {
        "driver": _one_of("bridge"),
        "driver_opts": _nothing,
        "labels": _any,
        "internal": _any,
        "attachable": _any,
        "enable_ipv6": _any,
        "external": _nothing,
    },
    "configs": {"content": _any, "labels": _any},
    "secrets": {"labels": _any},
}
