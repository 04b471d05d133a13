"""The dependencies of a configuration, for people."""

from __future__ import annotations

from flowplan.config import Config
from flowplan.model.address import Address


def edges_of(config: Config) -> dict[str, list[str]]:
    """Every node with the nodes that need it. Attached volumes, which flowplan only reads, end in "(attached)"."""
    edges: dict[str, list[str]] = {str(address): [] for address in config.volumes}
    for address, task in config.tasks.items():
        edges.setdefault(str(address), [])
        for use in task.volumes:
            needed = str(use.volume) if isinstance(use.volume, Address) else f"volume.{use.volume} (attached)"
            edges.setdefault(needed, []).append(str(address))
        if task.ports:
            ports = str(Address("ports", address.name))
            edges[str(address)].append(ports)
            edges.setdefault(ports, [])
    return {node: sorted(edges[node]) for node in sorted(edges)}
