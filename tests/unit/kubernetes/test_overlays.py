"""Each overlay builds, and says nothing that Kubernetes and the operators' kinds do not know."""

from pathlib import Path

import pytest

from tests.harness.go_programs import NoProgramError
from tests.harness.kubernetes import MANIFESTS, complaints, composed_text, overlays, rendered_text, write_schemas


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    try:
        write_schemas(folder)
    except NoProgramError as error:
        pytest.skip(str(error))
    return folder


@pytest.mark.parametrize("overlay", overlays())
def test_an_overlay_validates_strictly(overlay: str, schemas: Path) -> None:
    assert complaints(rendered_text(overlay), schemas) == []


OWN = {
    "a server that is there already": ("components/external-database", "site"),
    "public certificates": ("components/postgres", "site", "components/acme"),
    "one address for all": ("components/postgres", "site", "components/tls-passthrough"),
    "raw ports, and updates of agents": (
        "components/postgres",
        "components/raw-ports",
        "components/agent-updates",
        "site",
    ),
    "the other authority": ("components/postgres", "components/next-authority", "site", "components/acme"),
    "traces": ("components/postgres", "components/tracing", "site"),
    "secrets from a store": ("components/postgres", "components/external-secrets", "site"),
}


@pytest.mark.parametrize("parts", OWN.values(), ids=OWN)
def test_an_overlay_of_one_s_own_validates_strictly(parts: tuple[str, ...], schemas: Path) -> None:
    assert complaints(composed_text(*parts), schemas) == []


def test_every_component_is_in_an_overlay() -> None:
    there = {each.parent.name for each in (MANIFESTS / "components").glob("*/kustomization.yaml")}
    overlaid = "".join(each.read_text() for each in (MANIFESTS / "overlays").glob("*/kustomization.yaml"))

    assert {each for each in there if f"components/{each}" not in overlaid} == {
        part.partition("/")[2] for parts in OWN.values() for part in parts
    } - {"", "postgres"}


MISSPELT = {
    "automountServiceAccountToken: false": "automountServiceAcountToken: false",
    "readOnlyRootFilesystem: true": "readOnlyRootFilesystem: yes please",
    "kind: Certificate\n": "kind: Certificat\n",
    "secretName: internal-ca": "secretNam: internal-ca",
    "enableSuperuserAccess: true": "enableSuperuserAcces: true",
}


def test_each_word_that_nobody_knows_is_found(schemas: Path) -> None:
    parts = rendered_text("one-node").split("\n---\n")
    wrong = [next(part for part in parts if old in part).replace(old, new) for old, new in MISSPELT.items()]

    assert len(complaints("\n---\n".join(wrong), schemas)) == len(MISSPELT)
