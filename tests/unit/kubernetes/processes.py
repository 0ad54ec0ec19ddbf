"""What the manifests start: each container with its variables, files and ports, as the process will find them."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from attrs import frozen

from tests.harness.kubernetes import Manifest

WORKLOADS: Final = ("Deployment", "StatefulSet", "Job", "CronJob")
REFERENCE: Final = re.compile(r"\$\(([A-Z_]+)\)")


@frozen
class Started:
    """One container of ours."""

    workload: str
    pod: Manifest
    container: Manifest
    environ: dict[str, str]

    @property
    def command(self) -> str:
        """What it runs, as one text."""
        return " ".join(self.container["command"])

    @property
    def prefix(self) -> str:
        """Of its own variables."""
        own = [name for name in self.environ if name.startswith("IRONFLOCK_") and name in self._own]
        return own[0].split("_")[1]

    @property
    def _own(self) -> set[str]:
        return {each["name"] for each in self.container["env"]}


def started(manifests: Iterable[Manifest]) -> Iterator[Started]:
    """Every container of ours."""
    listed = list(manifests)
    maps = {each["metadata"]["name"]: each["data"] for each in listed if each["kind"] == "ConfigMap"}
    for each in listed:
        if each["kind"] in WORKLOADS and part_of(each) == "ironflock":
            pod = template_of(each)
            for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]):
                yield Started(each["metadata"]["name"], pod, container, environment(container, maps))


def template_of(manifest: Manifest) -> Manifest:
    """The template of a workload's pods."""
    spec = manifest["spec"]
    found: Manifest = (spec["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else spec)["template"]
    return found


def part_of(manifest: Manifest) -> str:
    """The `part-of` of a manifest."""
    return str(manifest["metadata"].get("labels", {}).get("app.kubernetes.io/part-of", ""))


def environment(container: Manifest, maps: dict[str, dict[str, str]]) -> dict[str, str]:
    """The variables that the process sees: those of its maps, the last of which counts, then its own with theirs."""
    found: dict[str, str] = {}
    for each in container["envFrom"]:
        found |= maps[each["configMapRef"]["name"]]
    for each in container["env"]:
        found[each["name"]] = REFERENCE.sub(lambda match: found[match[1]], str(each.get("value", "10.0.0.1")))
    return found


def mounts(process: Started) -> dict[str, Any]:
    """Each volume of the process by where it is mounted."""
    volumes = {each["name"]: each for each in process.pod["spec"].get("volumes", [])}
    return {
        each["mountPath"]: volumes.get(each["name"], {"name": each["name"], "persistentVolumeClaim": {}})
        for each in process.container.get("volumeMounts", [])
    }
