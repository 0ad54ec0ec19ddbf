"""`endpoints.json` of an installation in Kubernetes, out of what is applied there: flockctl finds it by its folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

HTTPS: Final = 443


class ManifestsError(Exception):
    """The manifests are not those of an overlay of ours; the text says what is missing."""


def documents(text: str) -> list[dict[str, Any]]:
    """The manifests in what `kubectl kustomize` prints.

    Raises:
        ManifestsError: It is no YAML.
    """
    try:
        return [msgspec.yaml.decode(part, type=dict[str, Any]) for part in text.split("\n---\n") if part.strip()]
    except msgspec.DecodeError as error:
        raise ManifestsError("that is not what `kubectl kustomize` prints") from error


def endpoints(manifests: Iterable[dict[str, Any]], folder: Path, ca: Path) -> dict[str, object]:
    """The content: URLs and files of the operator's `folder`; whoever asks believes `ca`.

    Raises:
        ManifestsError: A name or a port is missing.
    """
    listed = list(manifests)
    site, ports = _site(listed), _ports(listed)
    try:
        public = f"wss://{site['DEVICES_HOST']}{site['DEVICES_AT']}"
        return {
            "version": 1,
            "ca_file": str(ca),
            "router": {"devices": f"{public}/ws-re-dev", "people": f"{public}/ws-usr", "apps": f"{public}/ws-ua-usr"},
            "accounts": f"https://{site['ACCOUNTS_HOST']}{site['ACCOUNTS_AT']}",
            "gateway": f"https://{site['GATEWAY_HOST']}{site['GATEWAY_AT']}",
            "audit": f"https://{site['AUDIT_HOST']}{_at(ports['audit'])}/audit",
            "sql": {"host": site["SQL_HOST"], "port": ports["fleetdb"]},
            "tunnels": {
                "visitors": f"https://{site['TUNNEL_DOMAIN']}{site['TUNNELS_AT']}",
                "domain": site["TUNNEL_DOMAIN"],
            },
            # Health is asked inside the cluster alone.
            "health": {},
            "owner_api_key_file": str(folder / "owner-api-key"),
        }
    except KeyError as error:
        raise ManifestsError(f"{error.args[0]} is missing: is that all that `kubectl kustomize` prints?") from error


def _site(manifests: list[dict[str, Any]]) -> dict[str, str]:
    for each in manifests:
        if each.get("kind") == "ConfigMap" and str(each["metadata"]["name"]).startswith("site-"):
            return {name: str(value) for name, value in each["data"].items()}
    raise ManifestsError("the ConfigMap `site` is missing: is that all that `kubectl kustomize` prints?")


def _ports(manifests: list[dict[str, Any]]) -> dict[str, int]:
    """The first port of each Service; behind an ingress it is 443."""
    services = [each for each in manifests if each.get("kind") == "Service"]
    return {
        str(each["metadata"]["name"]): int(each["spec"]["ports"][0]["port"])
        if each["spec"].get("type") == "LoadBalancer"
        else HTTPS
        for each in services
    }


def _at(port: int) -> str:
    return "" if port == HTTPS else f":{port}"
