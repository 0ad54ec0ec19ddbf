"""One digest says which sources there are."""

import tomllib
from pathlib import Path

import pytest

from deploy.flockctl.compliance.sources import KINDS, digest, manifests_digest
from deploy.local.state import REPOSITORY


def test_it_is_another_one_with_another_name_or_content_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    file = tmp_path / "services" / "a.py"
    file.write_text("x = 1\n")
    first = digest(tmp_path)
    (tmp_path / "services" / "a.pyc").write_text("x")
    (tmp_path / "other.py").write_text("x")
    same = digest(tmp_path)
    file.write_text("x = 2\n")
    changed = digest(tmp_path)
    file.rename(file.with_name("b.py"))

    assert first == same
    assert len({first, changed, digest(tmp_path)}) == 3


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("deploy/locks/runtime.txt", True),
        ("deploy/flockctl/compliance/report.html", True),
        ("services/gateway/openapi.json", True),
        ("shared/flags.yaml", True),
        ("deploy/kubernetes/overlays/sites/ingress.yaml", False),
        ("deploy/compose/compose.yaml", False),
        ("deploy/supply_chain/accepted.toml", False),
    ],
)
def test_what_runs_counts_and_not_what_whoever_runs_it_writes(tmp_path: Path, name: str, *, counts: bool) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text("1")
    before = digest(tmp_path)

    file.write_text("2")

    assert (digest(tmp_path) != before) is counts


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("deploy/kubernetes/base/policies.yaml", True),
        ("deploy/kubernetes/components/second-cluster/policies.yaml", True),
        ("deploy/kubernetes/components/tls-passthrough/proxies.env", True),
        ("deploy/kubernetes/overlays/ours/kustomization.yaml", False),
        ("deploy/kubernetes/site/site.env", False),
        ("services/a.py", False),
    ],
)
def test_what_overlays_are_made_of_has_a_digest_of_its_own(tmp_path: Path, name: str, *, counts: bool) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    nothing = manifests_digest(tmp_path)

    file.write_text("1")
    before = manifests_digest(tmp_path)
    file.write_text("2")

    assert (nothing != before, before != manifests_digest(tmp_path)) == (counts, counts)


def test_all_that_packages_carry_counts() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    carried = project["tool"]["setuptools"]["package-data"]["*"]

    assert {each.removeprefix("*") for each in carried if each != "py.typed"} <= KINDS


def test_these_sources_have_one() -> None:
    assert digest(REPOSITORY) == digest(REPOSITORY)
    assert len(digest(REPOSITORY)) == 64
    assert manifests_digest(REPOSITORY) == manifests_digest(REPOSITORY) != digest(REPOSITORY)
