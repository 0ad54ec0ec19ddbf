"""Who reaches whom, as the NetworkPolicies say it. Pure; the rules of networking.k8s.io/v1.

A connection goes where both ends allow it: the egress policies that select who asks, and the ingress policies that
select who is asked. Who is selected by no policy of a direction is open in that direction.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

from attrs import frozen

from tests.harness.kubernetes import Manifest

Labels = Mapping[str, str]
NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"


@frozen
class Pod:
    """A pod: its name for us, its namespace, its labels, its named ports; its address is one of the cluster's.

    A machine outside is one without a namespace.
    """

    name: str
    namespace: str
    labels: Labels
    ports: Mapping[str, int]
    address: str = "10.42.0.7"


def reachers(policies: Iterable[Manifest], pods: Iterable[Pod], target: Pod, port: int) -> set[str]:
    """The names of those of `pods` that reach `port` of `target`."""
    known = [each for each in policies if each["kind"] == "NetworkPolicy"]
    return {pod.name for pod in pods if _lets_out(known, pod, target, port) and _lets_in(known, pod, target, port)}


def _lets_in(policies: list[Manifest], source: Pod, target: Pod, port: int) -> bool:
    chosen = _choosing(policies, target, "Ingress")
    rules = [rule for policy in chosen for rule in policy["spec"].get("ingress") or []]
    return not chosen or any(
        _names(rule.get("from"), source, target.namespace) and _opens(rule.get("ports"), target, port) for rule in rules
    )


def _lets_out(policies: list[Manifest], source: Pod, target: Pod, port: int) -> bool:
    chosen = _choosing(policies, source, "Egress")
    rules = [rule for policy in chosen for rule in policy["spec"].get("egress") or []]
    return not chosen or any(
        _names(rule.get("to"), target, source.namespace) and _opens(rule.get("ports"), target, port) for rule in rules
    )


def _choosing(policies: list[Manifest], pod: Pod, direction: str) -> list[Manifest]:
    return [
        each
        for each in policies
        if each["metadata"].get("namespace") == pod.namespace
        and direction in _directions(each["spec"])
        and selects(each["spec"]["podSelector"], pod.labels)
    ]


def _directions(spec: Manifest) -> list[str]:
    return list(spec.get("policyTypes") or (["Ingress", "Egress"] if "egress" in spec else ["Ingress"]))


def _names(peers: list[Manifest] | None, pod: Pod, own_namespace: str) -> bool:
    """No peers are all peers."""
    return not peers or any(_is(peer, pod, own_namespace) for peer in peers)


def _is(peer: Manifest, pod: Pod, own_namespace: str) -> bool:
    if "ipBlock" in peer:
        return _lies_in(peer["ipBlock"], pod.address)
    if "namespaceSelector" in peer:
        in_namespace = selects(peer["namespaceSelector"], {NAMESPACE_NAME: pod.namespace})
    else:
        in_namespace = pod.namespace == own_namespace
    return in_namespace and selects(peer.get("podSelector", {}), pod.labels)


def _lies_in(block: Manifest, address: str) -> bool:
    """Of the two families, an address lies in networks of its own alone."""
    where = ip_address(address)
    left_out = any(where in ip_network(each) for each in block.get("except") or [])
    return where in ip_network(block["cidr"]) and not left_out


def _opens(ports: list[Manifest] | None, target: Pod, port: int) -> bool:
    """No ports are all ports; a name is the target's."""
    return not ports or any(_is_port(each, target, port) for each in ports)


def _is_port(each: Manifest, target: Pod, port: int) -> bool:
    said: Any = each.get("port")
    first = target.ports.get(said) if isinstance(said, str) else said
    if said is None:
        return True
    return first is not None and first <= port <= int(each.get("endPort", first))


def selects(selector: Manifest, labels: Labels) -> bool:
    """Whether a label selector selects; the empty one selects everything."""
    exact = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return exact and all(_holds(each, labels) for each in selector.get("matchExpressions") or [])


def _holds(expression: Manifest, labels: Labels) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None
