"""The manifests, as kustomize makes them; skipped, and said, where it cannot be had."""

from collections.abc import Callable

import pytest

from tests.harness import kubernetes
from tests.harness.go_programs import NoProgramError
from tests.harness.kubernetes import Manifest


@pytest.fixture(scope="session")
def render() -> Callable[[str], list[Manifest]]:
    def make(overlay: str) -> list[Manifest]:
        try:
            return kubernetes.rendered(overlay)
        except NoProgramError as error:
            pytest.skip(str(error))

    return make


@pytest.fixture(params=kubernetes.overlays())
def overlay(request: pytest.FixtureRequest, render: Callable[[str], list[Manifest]]) -> list[Manifest]:
    return render(request.param)
