"""`flockctl agent sign` and `flockctl agent publish`: nobody is asked over the bus."""

from pathlib import Path

from tests.integration.flockctl.command_line import CommandLine
from tests.integration.flockctl.fake_router import FakeRouter
from tests.unit.flockctl.test_agent_releases import BINARY, Release


def test_a_release_is_signed_published_and_refused_where_it_is_another(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    release = Release(tmp_path)
    folder, into = str(release.folder), str(release.into)
    publish = ("agent", "publish", folder, "--into", into, "--key", str(release.public), "--json")

    signed = flockctl("agent", "sign", folder, "--version", "0.20.21", "--key", str(release.key), "--json")
    published = flockctl(*publish, "--environment", "production")
    nobody = flockctl(*publish, "--environment", "everybody")
    (release.folder / BINARY).write_bytes(b"another")
    refused = flockctl(*publish)

    assert signed.json["files"][0] == BINARY
    assert published.json == {"version": "0.20.21", "files": 2, "environments": ["production"]}
    assert nobody.error["argument"] == "environment"
    assert (refused.status, refused.error["code"]) == (1, "not_verified")
    assert (release.served / BINARY).read_bytes() == BINARY.encode()
    assert router.script.sessions == []
