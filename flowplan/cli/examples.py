"""What each command looks like when it is typed, shown at the end of its help."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# A command, as it stands behind `flowplan` -> lines that can be typed.
EXAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "": (
        "flowplan init --api-url sim: first    # a cloud in this process: no account",
        "cd first",
        "flowplan plan --api-url sim:",
    ),
    "init": ("flowplan init", "flowplan init --api-url sim: first    # no account needed"),
    "validate": ("flowplan validate tasks/",),
    "fmt": ("flowplan fmt --check",),
    "convert": ("flowplan convert task.yaml --out flowplan.yaml", "flowplan validate"),
    "plan": ("flowplan plan --horizon 24h --max-hourly-cost 60",),
    "apply": ("flowplan plan --out tonight.plan", "flowplan apply tonight.plan"),
    "destroy": ("flowplan destroy --keep-volumes",),
    "watch": ("flowplan watch --every 15m", "flowplan watch --once"),
    "status": ("flowplan status",),
    "cost": ("flowplan cost --horizon 30d",),
    "show": ("flowplan show tonight.plan",),
    "market": ("flowplan market h100 --limit 17.92",),
    "graph": ("flowplan graph --format svg > graph.svg",),
    "output": ('ssh -l ubuntu "ssh://$(flowplan output --raw ssh)"',),
    "test": ("flowplan test --format junit > results.xml",),
    "explain": ("flowplan explain stale-plan", "flowplan explain 3"),
    "completion": ("source <(flowplan completion bash)",),
    "doctor": ("flowplan doctor",),
    "schema": (
        "flowplan schema > flowplan.schema.json",
        "# and as the first line of a file:",
        "# yaml-language-server: $schema=flowplan.schema.json",
    ),
    "recover": ("flowplan recover",),
    "orphans": ("flowplan orphans",),
    "import": ("flowplan import volume.data vol_123", "flowplan import --all --generate flowplan.yaml"),
    "state": ("flowplan state list",),
    "state list": ("flowplan state list 'bid.sweep*'",),
    "state show": ("flowplan state show bid.train",),
    "state rm": ("flowplan state rm volume.data",),
    "state mv": ("flowplan state mv task.old task.train",),
    "state pull": ("flowplan state pull > copy.json",),
    "state push": ("flowplan state push copy.json",),
    "state rekey": ("flowplan state rekey",),
    "state history": ("flowplan state history",),
    "state restore": ("flowplan state restore 12",),
    "state migrate": ("flowplan state migrate old.json s3://bucket/train",),
    "lock": ("flowplan lock show",),
    "lock show": ("flowplan lock show",),
    "force-unlock": ("flowplan force-unlock 3f0c9a52-6a3e-4d61-9d0b-5f6f2c1d8e77",),
    "simulator": ("flowplan simulator advance 6h",),
    "simulator serve": ("flowplan simulator serve --port 8080 --speed 60",),
    "simulator advance": ("flowplan simulator advance 6h",),
    "simulator reset": ("flowplan simulator reset --seed 7 --start 2026-11-02",),
    "simulator market": ("flowplan simulator market h100.8x.SXM5.IB",),
})  # fmt: skip
