"""The program that asks Go's implementations, built by Go's own client at the versions that `go/go.sum` pins."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.asking import Ask

GO = Path(__file__).parent / "go"
AWAY = re.compile(
    r"dial tcp|no such host|connection refused|i/o timeout|proxyconnect|TLS handshake|50[234] |requires go >=|toolchain"
)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed, so its implementations of the log's formats cannot be asked")
    built = tmp_path_factory.mktemp("go") / "interop"
    done = subprocess.run(
        [go, "build", "-mod=readonly", "-o", built, "."],
        cwd=GO,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    if done.returncode and AWAY.search(done.stderr):
        pytest.skip(f"the Go module proxy is away, or Go is too old: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr
    return built


@pytest.fixture
def ask(program: Path) -> Ask:
    def asking(**request: Any) -> dict[str, Any]:
        done = subprocess.run(
            [program], input=json.dumps(request).encode(), capture_output=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return asking
