"""Task files for tests. What a test does not name has a plain value."""

from __future__ import annotations


def task_text(
    name: str = "train",
    limit: str | None = "17.92",
    kind: str = "h100.8x.SXM5.IB",
    region: str = "us-central1-b",
    *,
    key: str | None = "my-ssh-key",
    more: str = "",
    **resources: object,
) -> str:
    """One document: a task with `resources` besides its type and region, and `more` lines; None leaves its line out."""
    wanted = {"fcp_instance": kind, **resources, "cluster_id": region}
    lines = [
        f"---\nname: {name}\nproject_name: my-foundry-project\n",
        "" if key is None else f"ssh_key_name: {key}\n",
        "" if limit is None else f"task_management: {{utility_threshold_price: {limit}}}\n",
        f"resources_specification: {inline(wanted)}\n",
    ]
    return "".join(lines) + more


def storage(name: str, size: int = 1, **other: object) -> str:
    """The lines of a task that makes a volume, mounted at /mnt/d."""
    create = inline({"volume_name": name, "size": size, "mount_point": "/mnt/d", **other})
    return f"persistent_storage: {{create: {create}}}\n"


def inline(fields: dict[str, object]) -> str:
    """A mapping on one line; a text among its values is taken as YAML."""
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}"


PAIR = """\
version: 2
defaults: {resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}
volumes: {data: {size: 5, disk_interface: File}}
tasks:
  a: {lifetime: {max_hours: 1}}
  b:
  sweep: {for_each: [x, y]}
outputs:
  a: ${task.a.id}
  both: ${task.a.name} and ${task.b.name}
  b: ${task.b.id}
  kept: text
  sweep: ${task.sweep.name}
  volume: ${volume.data.size_gb}
"""
