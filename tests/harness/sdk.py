"""The published Python SDK, unmodified, in an environment of its own: a container that a test drives."""

import asyncio
import datetime as dt
import json
import os
import queue
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import pytest

from deploy.local.authority import Order, ensure_authority, issue
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

ROOT: Final = Path(__file__).parents[2]
PROGRAM: Final = ROOT / "tests" / "e2e" / "sdk" / "container.py"
PUBLISHED_HOST: Final = "cbw.ironflock.com"
"""The one address that releases before 1.6 know."""
ANSWER_S: Final = 30.0


class SdkError(Exception):
    """What the SDK raised: its kind, its text, and the URI of the WAMP error behind it."""

    def __init__(self, told: dict[str, Any]) -> None:
        """As the container tells it."""
        super().__init__(f"{told['kind']}: {told['text']}")
        self.kind: str = told["kind"]
        self.text: str = told["text"]
        self.uri: str | None = told["uri"]
        self.code: str | None = told["code"]


def interpreter(version: str) -> Path:
    """The Python that has SDK `version`; the test is skipped where `make sdk` could not install it."""
    found = ROOT / f".venv-sdk-{version}" / "bin" / "python"
    if not (found.parents[1] / ".sdk").exists():
        pytest.skip(f"ironflock {version} is not installed: `make sdk` installs it from PyPI")
    return found


class Container:
    """A running program with one IronFlock instance; used in a `with` block."""

    def __init__(self, platform: RunningPlatform, version: str, environment: dict[str, str]) -> None:
        """Prepare to run with `environment`, as the agent would inject it."""
        told = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(platform.state.ca_certificate), **environment}
        self._command = [str(interpreter(version)), str(PROGRAM)]
        self._environment = told
        self._numbers = iter(range(1, sys.maxsize))
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self.events: list[tuple[str, list[Any], dict[str, Any]]] = []
        self._process: subprocess.Popen[str] | None = None
        self._listening: list[threading.Thread] = []
        self.said: list[str] = []

    def __enter__(self) -> Self:
        """Start the program."""
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1
        )
        self._listening = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._keep)]
        for listening in self._listening:
            listening.start()
        wait_until(lambda: self.of("made"), ANSWER_S, "the container runs")
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for listening in self._listening:
            listening.join(5)
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def do(self, method: str, *args: Any, on: str = "flock", keep: str | None = None, **kwargs: Any) -> Any:
        """What the SDK's `method` answers.

        Raises:
            SdkError: What it raised.
        """
        return self.wait(self.begin(method, *args, on=on, keep=keep, **kwargs))

    def begin(self, method: str, *args: Any, on: str = "flock", keep: str | None = None, **kwargs: Any) -> int:
        """Call the SDK's `method` and do not wait; `wait` takes the number."""
        number = next(self._numbers)
        self._answers[number] = queue.Queue()
        asked = {"id": number, "do": method, "args": args, "kwargs": kwargs, "on": on}
        if keep is not None:
            asked["keep"] = keep
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return number

    def wait(self, number: int, timeout_s: float = 90.0) -> Any:
        """The answer to what `begin` began."""
        try:
            answer = self._answers[number].get(timeout=timeout_s)
        except queue.Empty:
            raise AssertionError(f"no answer within {timeout_s} s; it said {self.said[-20:]}") from None
        if "error" in answer:
            raise SdkError(answer["error"])
        return answer["result"]

    def of(self, event: str) -> list[list[Any]]:
        """The arguments of every call of the handler `event`, so far."""
        return [args for name, args, _ in list(self.events) if name == event]

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "event" in told:
                self.events.append((told["event"], told["args"], told["kwargs"]))
            else:
                self._answers[told["id"]].put(told)

    def _keep(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line.rstrip())


def handler(name: str) -> dict[str, str]:
    """A handler that tells of each of its calls as event `name`."""
    return {"$handler": name}


def function(name: str) -> dict[str, str]:
    """A function that answers with what it was given."""
    return {"$function": name}


@contextmanager
def published_address(platform: RunningPlatform) -> Iterator[str]:
    """The platform behind the published host name: a front with a certificate of the platform's CA; `HOST=IP:PORT`."""
    folder = platform.folder / "front"
    folder.mkdir(exist_ok=True)
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - a certificate's date
    order = Order(folder / "front.pem", folder / "front.key", (PUBLISHED_HOST,), dt.timedelta(days=1))
    issue(ensure_authority(platform.state.ca, now), order, now)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(order.certificate, order.key)
    front = _Front(platform, tls)
    thread = threading.Thread(target=asyncio.run, args=(front.serve(),))
    thread.start()
    try:
        assert front.is_open.wait(10)
        yield f"{PUBLISHED_HOST}=127.0.0.1:{front.port}"
    finally:
        front.close()
        thread.join(10)


class _Front:
    """Ends TLS and passes on to the router over TLS of its own."""

    def __init__(self, platform: RunningPlatform, tls: ssl.SSLContext) -> None:
        self._platform = platform
        self._tls = tls
        self._over = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_open = threading.Event()
        self.port = 0

    async def serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._take, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self.is_open.set()
        await self._over.wait()
        server.close()
        taking = asyncio.all_tasks() - {asyncio.current_task()}
        for task in taking:
            task.cancel()
        await asyncio.gather(*taking, return_exceptions=True)

    def close(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._over.set)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port, tls = self._platform.ports.router_public, self._platform.tls
        with suppress(OSError):
            inward, outward = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")
            try:
                await asyncio.gather(_pass_on(reader, outward), _pass_on(inward, writer))
            finally:
                outward.transport.abort()
                writer.transport.abort()
                await asyncio.gather(outward.wait_closed(), writer.wait_closed(), return_exceptions=True)


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while octets := await source.read(65_536):
            target.write(octets)
            await target.drain()
    target.close()
