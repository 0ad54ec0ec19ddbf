"""kustomize and kubeconform as others publish them, and the schemas of everything that our manifests say."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.harness import go_programs

ROOT: Final = Path(__file__).parents[2]
MANIFESTS: Final = ROOT / "deploy" / "kubernetes"
MODULE: Final = ROOT / "tests" / "interop" / "kubernetes"
KUBERNETES: Final = ("k8s.io/kubernetes@v1.34.4", "h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk=")
CLOUDNATIVE_PG: Final = (
    "github.com/cloudnative-pg/cloudnative-pg@v1.27.0",
    "h1:mp0zlYO4vKAJmQdArWORWKr1lmB4Hj8JeBQGX5RBnpg=",
)
CRDS: Final = (
    (
        "github.com/cert-manager/cert-manager@v1.18.2",
        "h1:H2P75ycGcTMauV3gvpkDqLdS3RSXonWF2S49QGA1PZE=",
        ("deploy/crds/crd-certificates.yaml", "deploy/crds/crd-issuers.yaml"),
    ),
    (
        *CLOUDNATIVE_PG,
        ("config/crd/bases/postgresql.cnpg.io_clusters.yaml",),
    ),
    (
        "github.com/prometheus-operator/prometheus-operator@v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        tuple(
            f"example/prometheus-operator-crd-full/monitoring.coreos.com_{kind}.yaml"
            for kind in ("servicemonitors", "podmonitors", "prometheusrules")
        ),
    ),
    (
        "github.com/external-secrets/external-secrets@v0.19.2",
        "h1:bdOpEt9Pww2e8QGh4apX7M0nehwNOVAQJLd8z6hAXWI=",
        ("config/crds/bases/external-secrets.io_externalsecrets.yaml",),
    ),
)
"""The kinds of operators that our manifests have: module, checksum, files."""
GROUPS: Final = ("", "apps", "batch", "policy", "networking.k8s.io", "autoscaling")
INT_OR_STRING: Final = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
NUMBER_OR_STRING: Final = {"oneOf": [{"type": "string"}, {"type": "number"}]}
RUN_S: Final = 120

Manifest = dict[str, Any]


def kustomize() -> Path:
    """The program. Raises `NoProgramError` where it cannot be had."""
    return go_programs.built(MODULE, "sigs.k8s.io/kustomize/kustomize/v5", "kustomize")


def kubeconform() -> Path:
    """The program. Raises as `kustomize`."""
    return go_programs.built(MODULE, "github.com/yannh/kubeconform/cmd/kubeconform", "kubeconform")


@cache
def rendered_text(overlay: str) -> str:
    """What `kubectl apply -k` of the overlay would apply, as YAML. Raises as `kustomize`."""
    return _build(MANIFESTS / "overlays" / overlay)


@cache
def composed_text(*parts: str) -> str:
    """What an overlay of one's own would apply that has the base and the components `parts`. Raises as `kustomize`."""
    with tempfile.TemporaryDirectory(dir=MANIFESTS, prefix=".test-") as folder:
        listed = {"resources": ["../base"], "components": [f"../{part}" for part in parts], "namespace": "ironflock"}
        (Path(folder) / "kustomization.yaml").write_text(json.dumps(listed), encoding="utf-8")
        return _build(Path(folder))


def _build(folder: Path) -> str:
    command = [str(kustomize()), "build", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(overlay: str) -> list[Manifest]:
    """The same as values, each time new ones."""
    return values_of(rendered_text(overlay))


def values_of(text: str) -> list[Manifest]:
    """Every document of `text`, as new values."""
    return [decoded(part) for part in text.split("\n---\n")]


def decoded(text: str) -> Manifest:
    """One document."""
    manifest: Manifest = msgspec.yaml.decode(text)
    return manifest


def overlays() -> list[str]:
    """Every overlay there is."""
    return sorted(each.parent.name for each in (MANIFESTS / "overlays").glob("*/kustomization.yaml"))


def complaints(text: str, schemas: Path) -> list[str]:
    """What kubeconform says against the manifests in `text`, each unknown field and each unknown kind among it."""
    location = str(schemas / "{{ .ResourceKind }}{{ .KindSuffix }}.json")
    command = [str(kubeconform()), "-strict", "-output", "json", "-schema-location", location, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=RUN_S)
    found = json.loads(done.stdout)["resources"]
    assert done.returncode in {0, 1}, done.stderr
    return [f"{each['kind']} {each['name']}: {each['msg']}" for each in found]


def crds() -> Iterator[Manifest]:
    """The definitions of those kinds, without what their charts fill in. Raises as `kustomize`."""
    for module, checksum, files in CRDS:
        folder = go_programs.module_folder(module, checksum)
        for file in files:
            # In YAML 1.1 a lone `=` is no text.
            crd = decoded((folder / file).read_text(encoding="utf-8").replace("- =\n", '- "="\n'))
            spec = {name: value for name, value in crd["spec"].items() if name != "conversion"}
            yield {**crd, "metadata": {"name": crd["metadata"]["name"]}, "spec": spec}


def write_schemas(folder: Path) -> None:
    """A strict JSON schema of each kind, of Kubernetes and of operators, as kubeconform looks for them.

    Raises:
        NoProgramError: The modules cannot be had here.
    """
    swagger = go_programs.module_folder(*KUBERNETES) / "api" / "openapi-spec" / "swagger.json"
    definitions = _strict(json.loads(swagger.read_text(encoding="utf-8"))["definitions"])
    for name, each in definitions.items():
        for kind in each.get("x-kubernetes-group-version-kind", []):
            if kind["group"] in GROUPS:
                _write(folder, kind, {"$ref": f"#/definitions/{name}"}, definitions)
    for crd in crds():
        for kind, schema in _of_crd(crd):
            _write(folder, kind, schema, definitions)


def _of_crd(crd: Manifest) -> Iterator[tuple[dict[str, str], Manifest]]:
    group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
    for version in crd["spec"]["versions"]:
        schema = _strict(version["schema"]["openAPIV3Schema"])
        # A CRD says of an object's metadata no more than that there is some.
        schema["properties"]["metadata"] = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
        yield {"group": group, "kind": kind, "version": version["name"]}, schema


def _write(folder: Path, kind: dict[str, str], schema: Manifest, definitions: Manifest) -> None:
    found: dict[str, Manifest] = {}
    _gather(schema, definitions, found)
    group = kind["group"].partition(".")[0]
    name = "-".join(part.lower() for part in (kind["kind"], group, kind["version"]) if part)
    (folder / f"{name}.json").write_text(json.dumps({**schema, "definitions": found}), encoding="utf-8")


def _gather(schema: Any, definitions: Manifest, found: dict[str, Manifest]) -> None:
    """Put what `schema` refers to into `found`."""
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).removeprefix("#/definitions/")
        if name in definitions and name not in found:
            found[name] = definitions[name]
            _gather(found[name], definitions, found)
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _gather(each, definitions, found)


def _strict(schema: Any) -> Any:
    """`schema` of OpenAPI as a JSON schema in which what is not named is refused."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return INT_OR_STRING
    if "Quantity is a fixed-point representation" in str(schema.get("description", "")):
        return NUMBER_OR_STRING
    out = {name: _strict(each) for name, each in schema.items() if name not in {"description", "format", "default"}}
    if isinstance(schema.get("properties"), dict):
        out["properties"] = {name: _strict(each) for name, each in schema["properties"].items()}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            out["additionalProperties"] = False
    return out
