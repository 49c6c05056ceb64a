"""Which devices of a cluster are used. Pure: knows only what Ray says of its nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

SELVA_RESOURCE = "selva"
"""A resource of our own, which a node is started with (`ray start --resources '{"selva": 2}'`) to say that it is for Selva
Bridge, and how many devices of it.
"""


@dataclass(frozen=True, kw_only=True)
class Node:
    """node_id: Ray's. resources: what it was started with, not what is free."""

    node_id: str
    host: str
    resources: Mapping[str, float]

    def count(self, resource: str) -> int:
        return int(self.resources.get(resource, 0.0))


@dataclass(frozen=True, kw_only=True)
class DevicePlace:
    """One device: the node, its number on it, and what an actor there reserves. num_threads: of the processor."""

    node_id: str
    index: int
    name: str
    num_gpus: int
    num_cpus: int
    resources: Mapping[str, float]
    num_threads: int

    @property
    def key(self) -> tuple[str, int]:
        return self.node_id, self.index

    def describe_needs(self) -> str:
        """What an actor reserves."""
        amounts = {"GPU": self.num_gpus, "CPU": self.num_cpus, **self.resources}
        return " and ".join(f"{amount:g} {name}" for name, amount in amounts.items() if amount) or "nothing"


def plan_devices(nodes: Sequence[Node], device: str) -> list[DevicePlace]:
    """One place for each device to use. device: the setting `device`: auto, cpu, cuda or mps.

    Where a node was started for Selva Bridge (SELVA_RESOURCE), only such nodes are used. GPUs are used where there are any,
    unless the setting says otherwise, and else each node as one device: a processor that is sixty times slower than the GPU
    beside it would only hold jobs up.
    """
    marked = [node for node in nodes if node.count(SELVA_RESOURCE)]
    used = marked or list(nodes)
    on_gpus = device == "cuda" or (device == "auto" and any(node.count("GPU") for node in used))
    num_on_host = Counter(node.host for node in used)
    return [
        place
        for node in used
        for place in _places_of(
            node, on_gpus=on_gpus, is_marked=bool(marked), is_alone=num_on_host[node.host] == 1
        )
    ]


def _places_of(node: Node, *, on_gpus: bool, is_marked: bool, is_alone: bool) -> Iterator[DevicePlace]:
    num_cpus = node.count("CPU")
    num_devices = node.count("GPU") if on_gpus else min(num_cpus, 1)
    if is_marked:
        num_devices = min(num_devices, node.count(SELVA_RESOURCE)) if on_gpus else node.count(SELVA_RESOURCE)
    host = node.host if is_alone else f"{node.host} ({node.node_id[:6]})"
    for index in range(num_devices):
        yield DevicePlace(
            node_id=node.node_id,
            index=index,
            name=host if num_devices == 1 else f"{host}, {'GPU' if on_gpus else 'device'} {index}",
            num_gpus=int(on_gpus),
            # One of a node's CPUs is reserved: more could not be had where other programs use the cluster too.
            num_cpus=min(num_cpus, 1) if num_cpus >= num_devices else 0,
            resources={SELVA_RESOURCE: 1.0} if is_marked else {},
            num_threads=max(num_cpus // num_devices, 1),
        )
