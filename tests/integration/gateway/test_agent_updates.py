"""Large binaries: parts of them, and several at once."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.gateway.procedures.site import Root
from shared.https import listen_https
from tests.integration.flockctl.certificates import make_certificates
from tests.integration.reactor import ask, listening

SIZE = 4 * 2**20


def test_several_agents_load_at_once_what_the_folder_holds(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    binary = tmp_path / "re-agent" / "linux" / "arm64" / "0.20.21" / "reagent"
    binary.parent.mkdir(parents=True)
    binary.write_bytes(bytes(range(256)) * (SIZE // 256))
    path = "/" + str(binary.relative_to(tmp_path))
    root = Root(tmp_path, "0.20.20")

    with (
        listening(certificates, lambda tls: listen_https(tls, 0, "127.0.0.1", root, idle_timeout_s=10)) as port,
        ThreadPoolExecutor(4) as agents,
    ):
        loaded = [agents.submit(ask, certificates, port, path) for _ in range(4)]
        digests = [agents.submit(ask, certificates, port, path + ".sha256") for _ in range(4)]

    told = {digest.result()[2].split()[0].decode() for digest in digests}
    assert told == {hashlib.sha256(load.result()[2]).hexdigest() for load in loaded}
    assert {load.result()[1]["content-length"] for load in loaded} == {str(SIZE)}
