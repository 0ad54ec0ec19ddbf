"""A program in an app's container: runs the published SDK as it is installed, and does what it reads on standard input.

It is run by the interpreter of the SDK's own environment and imports nothing of the platform. One JSON document a line:

    {"id": 1, "do": "append_to_table", "args": [...], "kwargs": {...}, "on": "flock"}
    {"id": 1, "result": ...} or {"id": 1, "error": {"kind", "text", "uri"}}
    {"event": "<name>", "args": [...], "kwargs": {...}}

In arguments, {"$handler": "<name>"} is a function that tells each of its calls as an event, and {"$function": "<name>"}
one that answers with what it was given. With "keep", the result stays here under that name, for "on".
"""

import asyncio
import inspect
import json
import os
import socket
import sys
from typing import Any

OUT = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
os.dup2(2, 1)  # what the SDK prints is no answer


def tell(**document: Any) -> None:
    OUT.write(json.dumps(document, default=repr) + "\n")
    OUT.flush()


def resolve_as_told() -> None:
    """Where a name is, as in a network of its own: `NAME=HOST:PORT`; the SDK of old knows no other address."""
    told = os.environ.get("CONTAINER_RESOLVES")
    if not told:
        return
    name, _, where = told.partition("=")
    host, _, port = where.partition(":")
    resolve = socket.getaddrinfo

    def resolved(asked: Any, service: Any, *args: Any, **kwargs: Any) -> Any:
        found = (host, int(port)) if asked == name else (asked, service)
        return resolve(*found, *args, **kwargs)

    socket.getaddrinfo = resolved  # type: ignore[assignment]


def given(value: Any) -> Any:
    if isinstance(value, list):
        return [given(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "$handler" in value:
        return lambda *args, **kwargs: tell(event=value["$handler"], args=args, kwargs=kwargs)
    if "$function" in value:
        name = value["$function"]
        return lambda *args, **kwargs: {"function": name, "args": list(args), "kwargs": kwargs}
    return {name: given(each) for name, each in value.items()}


def uri_of(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(getattr(error, "error", None), str):
            return str(error.error)  # type: ignore[attr-defined]
        error = error.__cause__
    return None


class Container:
    """The SDK's instance, and what was kept of its answers."""

    def __init__(self, flock: Any) -> None:
        self.kept: dict[str, Any] = {"flock": flock}

    async def do(self, asked: dict[str, Any]) -> None:
        try:
            target = self.kept[asked.get("on", "flock")]
            found = getattr(target, asked["do"])
            if callable(found):
                found = found(*given(asked.get("args", [])), **given(asked.get("kwargs", {})))
            if inspect.isawaitable(found):
                found = await found
        except Exception as error:  # noqa: BLE001 - whatever it raises is told
            told = {"kind": type(error).__name__, "text": str(error), "uri": uri_of(error)}
            told["code"] = getattr(error, "code", None)
            tell(id=asked["id"], error=told)
            return
        if "keep" in asked:
            self.kept[asked["keep"]] = found
        tell(id=asked["id"], result=found)


async def lines() -> Any:
    reader = asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


async def main() -> None:
    from ironflock import IronFlock  # type: ignore[import-not-found]  # noqa: PLC0415 - of the SDK's environment

    flock = IronFlock()
    container = Container(flock)
    tell(event="made", args=[], kwargs={})
    working = set()
    async for asked in lines():
        task = asyncio.create_task(container.do(asked))
        working.add(task)
        task.add_done_callback(working.discard)
    os._exit(0)


resolve_as_told()
asyncio.run(main())
