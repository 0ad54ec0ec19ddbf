"""What a release of an app asks for: variables, ports, a compose document. Realms keeps it, devices obeys it. Pure."""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

import msgspec
from attrs import asdict, field, frozen
from msgspec import Meta

from shared import compose
from shared.errors import InvalidArgumentError, OverLimitError

MAX_CONTENTS_OCTETS: Final = 32 * 1024
OF_THE_PLATFORM: Final = frozenset(
    {
        "DEVICE_SERIAL_NUMBER", "ENV", "DEVICE_KEY", "SWARM_KEY", "APP_KEY", "APP_NAME", "DEVICE_NAME",
        "DEVICE_ENDPOINT_URL", "TUNNEL_DOMAIN", "APP_AUTH_ID", "APP_AUTH_SECRET", "DEVICE_LAN_IP", "INSTANCE_KEY",
        "RESWARM_URL", "DEVICE_URL",
    }
)  # fmt: skip
"""What agents set themselves. Source: wire-agent section 8."""
VariableName = Annotated[str, Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_]{0,127}\Z")]
Value = Annotated[str, Meta(max_length=8_000)]
Port = Annotated[int, Meta(ge=1, le=65_535)]


@frozen
class VariableTemplate:
    """A variable that a release reads: what it is where nobody sets it, and what it may be.

    A secret one is shown to nobody; without a value for each required one the app does not run.
    """

    default: Value | None = None
    is_secret: bool = False
    is_required: bool = False
    choices: Annotated[list[Value], Meta(max_length=50)] = field(factory=list)
    description: Annotated[str, Meta(max_length=500)] = ""


@frozen
class PortRule:
    """A port that an app listens on, and how it is offered. Source: wire-agent section 6."""

    port: Port
    name: Annotated[str, Meta(max_length=100)] = ""
    protocol: Literal["http", "https", "tcp", "udp"] = "http"
    main: bool = False
    active: bool = True
    local_ip: Annotated[str, Meta(max_length=45, pattern=r"\A[0-9a-fA-F.:]*\Z")] = ""
    remote_port_environment: Annotated[str, Meta(max_length=128, pattern=r"\A[A-Za-z0-9_]*\Z")] = ""


VariableTemplates = Annotated[dict[VariableName, VariableTemplate], Meta(max_length=200)]
PortRules = Annotated[list[PortRule], Meta(max_length=50)]


@frozen
class Contents:
    """What a release asks for; nothing, where it says nothing."""

    environment: VariableTemplates = field(factory=dict)
    ports: PortRules = field(factory=list)
    compose: dict[str, Any] | None = None

    @property
    def needs_develop(self) -> list[str]:
        """Where it asks for power over the device, so that `DEVELOP` there is needed to put it there (decision 18)."""
        return compose.elevations(self.compose)


NOTHING: Final = Contents()


def check(contents: Contents) -> None:
    """Let pass what agents survive.

    Raises:
        InvalidArgumentError: A variable is the platform's or cannot be what it says, a port stands twice, the compose
            document is none that agents take.
        NotSupportedError: Something is to be built.
        OverLimitError: It is more than 32 KiB.
    """
    for name, variable in contents.environment.items():
        _check_variable(name, variable)
    check_ports(contents.ports)
    if contents.compose is not None:
        compose.check(contents.compose)
    if len(msgspec.json.encode(contents)) > MAX_CONTENTS_OCTETS:
        raise OverLimitError(f"what a release asks for has at most {MAX_CONTENTS_OCTETS // 1024} KiB")


def _check_variable(name: str, variable: VariableTemplate) -> None:
    texts = (variable.description, variable.default or "", *variable.choices)
    problem = None
    if name in OF_THE_PLATFORM:
        problem = "the platform itself sets it"
    elif variable.is_secret and (variable.default is not None or variable.choices):
        problem = "a secret one has neither a default nor choices, which everybody could read"
    elif variable.choices and variable.default is not None and variable.default not in variable.choices:
        problem = "its default is none of its choices"
    elif any("\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text) for text in texts):
        problem = "a text of it cannot be kept"
    if problem is not None:
        raise InvalidArgumentError(f"environment: {name}: {problem}", argument="environment")


def check_ports(rules: Iterable[PortRule]) -> None:
    """Let pass rules of which each has a port and protocol of its own.

    Raises:
        InvalidArgumentError: Two have one, or one takes a variable that is not its own.
    """
    seen = set()
    for rule in rules:
        name = rule.remote_port_environment
        if name in OF_THE_PLATFORM or name == "PATH" or name.startswith("LD_"):
            raise InvalidArgumentError(f"{name} is no variable for a port", argument="ports")
        if (rule.port, rule.protocol) in seen:
            raise InvalidArgumentError("a port stands twice with one protocol", argument="ports")
        seen.add((rule.port, rule.protocol))


def as_told(rules: Iterable[PortRule]) -> list[dict[str, Any]]:
    """The rules as agents have them; none is public, which is the tunnels' to say."""
    return [{**asdict(rule), "public": False} for rule in rules]
