"""Which entries of the audit log a command means: its options, and what they are as arguments of a procedure."""

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Annotated, Any, Final

import typer

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.times import moment
from deploy.flockctl.words import MAX_KEY, key_or_name

Command = Callable[..., Coroutine[Any, Any, int | None]]
_ME: Final = "me"

_FILTERS: Final[dict[str, str]] = {
    "project": "Of this project: its name or key.",
    "device": "Of this device: its name or key.",
    "account": "Of an account: `me`, or its key. What it did, and what was done to it.",
    "aspect": "What a change touches: name, existence, credential, ...",
    "action": "One tag, for example device.renamed.",
    "actor": "Whose act: the key of an account, or person:5, device:7, service:svc_auth.",
    "outcome": "done, refused, intended or failed.",
    "since": "From this time on: RFC 3339, a local date or time, or 24h, 7d ago.",
    "until": "Before this time; as since.",
}


def with_filters(function: Command) -> Command:
    """`async def function(operator, chosen, ...)`, with the options of a filter in place of `chosen`."""

    @wraps(function)
    async def run(operator: Operator, **arguments: Any) -> int | None:
        said = {name: arguments.pop(name) for name in _FILTERS}
        return await function(operator, await chosen(operator, said), **arguments)

    operator_parameter, _, *own = inspect.signature(function, eval_str=True).parameters.values()
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, typer.Option(help=text)],
        )
        for name, text in _FILTERS.items()
    ]
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    vars(run)["__signature__"] = inspect.Signature([operator_parameter, *keywords, *options])
    return run


async def chosen(operator: Operator, said: dict[str, str | None]) -> dict[str, Any]:
    """The arguments for what a person said; what was not said is left out.

    Raises:
        CommandError: A word is malformed, or there is no such device.
    """
    words = {name: word for name, word in said.items() if word is not None}
    found: dict[str, Any] = {name: words[name] for name in ("aspect", "action", "outcome") if name in words}
    if "project" in words:
        found["project"] = key_or_name(words["project"], what="project")
    if "device" in words:
        found["device"] = await _device(operator, words["device"], found.get("project"))
    if "account" in words:
        found["account"] = await _account(operator, words["account"])
    if "actor" in words:
        found["actor"] = _key(words["actor"], "actor") if words["actor"].isdigit() else words["actor"]
    for name in ("since", "until"):
        if name in words:
            found[name] = moment(words[name], what=name, now=operator.reactor.seconds())
    return found


async def _device(operator: Operator, word: str, project: int | str | None) -> int:
    device = key_or_name(word, what="device")
    if isinstance(device, int):
        return device
    within: dict[str, Any] = {} if project is None else {"project": project}
    found = await operator.call("ironflock.devices.device.show", device=device, **within)
    return int(found["device_key"])


async def _account(operator: Operator, word: str) -> int:
    if word != _ME:
        return _key(word, "account")
    return int((await operator.call("ironflock.auth.account.me"))["account_key"])


def _key(word: str, what: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= len(str(MAX_KEY)) and 1 <= int(word) <= MAX_KEY):
        raise _usage(what, f"is a key, a number from 1 to {MAX_KEY}")
    return int(word)


def _usage(what: str, text: str) -> CommandError:
    return CommandError("invalid_argument", f"{what} {text}", ExitStatus.USAGE, argument=what)
