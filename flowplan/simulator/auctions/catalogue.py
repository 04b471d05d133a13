"""What the simulated cloud offers: instance types, regions, the pools of GPUs behind the auctions, images.

Ids and names of types are FCP's own where they are public; A40 and A5000 are Foundry's, with made-up ids.
Prices and stock are made up in the size of what was published.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

# How a pool's market behaves: `calm` near the reserve; `idle` with room left, so at the reserve but for bursts;
# `busy` with more demand than stock.
Temper = Literal["calm", "idle", "busy"]

PROJECT, SSH_KEY = "my-foundry-project", "my-ssh-key"
EMAIL, PASSWORD = "engineer@foundry.example", "correct-horse"  # for POST /login, and for nothing else
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPm2DMft76E+C+vLEwcWcEMfWT4k4G4KWsxfU9kIjaFR my-ssh-key"

REGIONS = (
    "us-central1-a",
    "us-central1-b",
    "us-central2-a",
    "us-central5-a",
    "us-east1-a",
    "eu-central1-a",
    "eu-central1-b",
    "me-central1-a",
)
LARGEST_VOLUME_GB = 32 * 1024
STORAGE_QUOTA_GB = 50_000_000
SPOT_QUOTA = 20_000  # instances of a type, at once


class InstanceType(NamedTuple):
    """One instance type, field by field as the API shows it. `hourly_price` in dollars per instance-hour."""

    fid: str
    name: str
    num_cpus: int
    cpu_type: str
    ram_gb: int
    num_gpus: int
    gpu_type: str
    gpu_memory_gb: int
    gpu_socket: str
    local_storage_gb: int
    network_type: str | None
    ib_count: int
    bridge_count: int
    hourly_price: float

    def json(self) -> dict[str, Any]:
        """The row of `/v2/instance-types`."""
        return self._asdict()


class Pool(NamedTuple):
    """GPUs of one kind in one region, sold in several sizes. `reserve_cents` per GPU-hour."""

    region: str
    types: tuple[str, ...]
    gpus: int
    reserve_cents: int
    temper: Temper
    adjustable_memory: bool = False


def _type(
    fid: str, name: str, gpus: int, gpu: str, memory: int, socket: str, cpus: int, ram: int, disk: int, price: float
) -> InstanceType:
    infiniband = gpus == 8 and gpu in ("A100", "H100", "H200", "B200")
    return InstanceType(
        fid=fid,
        name=name,
        num_cpus=cpus,
        cpu_type="AMD" if gpu in ("A40", "A5000") else "Intel",
        ram_gb=ram,
        num_gpus=gpus,
        gpu_type=gpu,
        gpu_memory_gb=memory,
        gpu_socket=socket,
        local_storage_gb=disk,
        network_type="InfiniBand" if infiniband else None,
        ib_count=8 if infiniband else 0,
        bridge_count=4 if infiniband else 0,
        hourly_price=price,
    )


INSTANCE_TYPES = (
    _type("it_RrgkIZz6c9BZu5gi", "a100-80gb.sxm.1x", 1, "A100", 80, "SXM4", 26, 190, 1_750, 1.79),
    _type("it_TiAPxzKNi4xO0IAr", "a100-80gb.sxm.2x", 2, "A100", 80, "SXM4", 52, 380, 3_500, 3.58),
    _type("it_4TugeYWOov5FllEf", "a100-80gb.sxm.4x", 4, "A100", 80, "SXM4", 102, 760, 7_000, 7.16),
    _type("it_Sg1nDx1I8NFep60J", "a100-80gb.sxm.8x", 8, "A100", 80, "SXM4", 204, 1_520, 14_000, 14.32),
    _type("it_5ECSoHQjLBzrp5YM", "h100-80gb.sxm.8x", 8, "H100", 80, "SXM5", 192, 1_800, 7_800, 27.12),
    _type("it_XqgKWbhZ5gznAYsG", "h100-80gb.sxm.8x", 8, "H100", 80, "SXM5", 104, 1_800, 6_400, 27.12),
    _type("it_7RHoQUztab9lU9Ne", "h200.8x", 8, "H200", 141, "SXM5", 208, 3_072, 6_400, 34.40),
    _type("it_q0o0UtmD4bgy36kb", "neb-b200.sxm.8x", 8, "B200", 192, "SXM6", 160, 1_792, 6_400, 52.00),
    _type("it_nFEHySv5IMnHKbKi", "b200-192gb.8x", 8, "B200", 192, "SXM6", 232, 3_584, 2_800, 52.00),
    _type("it_tcjiKnwIK0jX21t3", "b200-192gb.1x", 1, "B200", 192, "SXM6", 29, 448, 350, 6.50),
    _type("it_WCJ0NkfuADQ7yexV", "b200-192gb.2x", 2, "B200", 192, "SXM6", 58, 896, 700, 13.00),
    _type("it_OS38SJAdsS1l6QFU", "b200-192gb.4x", 4, "B200", 192, "SXM6", 116, 1_792, 1_400, 26.00),
    _type("it_iBJ0PZl0NszKMxPu", "v6e-1", 1, "TPU-v6e", 32, "TPU", 44, 176, 375, 2.70),
    _type("it_tGQ0hu1bV2rY2fEO", "v6e-4", 4, "TPU-v6e", 32, "TPU", 180, 720, 1_500, 10.80),
    _type("it_2vblKKB0L8sRG8K7", "v6e-8", 8, "TPU-v6e", 32, "TPU", 180, 1_440, 3_000, 21.60),
    _type("it_A40x1mU7cQd3RkZt", "a40-48gb.pcie.1x", 1, "A40", 48, "PCIe", 16, 96, 450, 0.79),
    _type("it_A40x2wB9nLs5VfXe", "a40-48gb.pcie.2x", 2, "A40", 48, "PCIe", 32, 192, 900, 1.58),
    _type("it_A40x4hG2yPj8TqNa", "a40-48gb.pcie.4x", 4, "A40", 48, "PCIe", 64, 384, 1_800, 3.16),
    _type("it_A40x8zC6rMk4WdSb", "a40-48gb.pcie.8x", 8, "A40", 48, "PCIe", 128, 768, 3_600, 6.32),
    _type("it_A5kx1tF3vHy7JgLp", "a5000-24gb.pcie.1x", 1, "A5000", 24, "PCIe", 8, 64, 400, 0.49),
    _type("it_A5kx2eR5uXb9KnQc", "a5000-24gb.pcie.2x", 2, "A5000", 24, "PCIe", 16, 128, 800, 0.98),
    _type("it_A5kx4sD8iZw2MaTv", "a5000-24gb.pcie.4x", 4, "A5000", 24, "PCIe", 32, 256, 1_600, 1.96),
    _type("it_A5kx8oY6pEf1GhCj", "a5000-24gb.pcie.8x", 8, "A5000", 24, "PCIe", 64, 512, 3_200, 3.92),
)
TYPE_BY_FID = {kind.fid: kind for kind in INSTANCE_TYPES}

_A100 = ("it_RrgkIZz6c9BZu5gi", "it_TiAPxzKNi4xO0IAr", "it_4TugeYWOov5FllEf", "it_Sg1nDx1I8NFep60J")
_B200 = ("it_tcjiKnwIK0jX21t3", "it_WCJ0NkfuADQ7yexV", "it_OS38SJAdsS1l6QFU", "it_nFEHySv5IMnHKbKi")
_A40 = ("it_A40x1mU7cQd3RkZt", "it_A40x2wB9nLs5VfXe", "it_A40x4hG2yPj8TqNa", "it_A40x8zC6rMk4WdSb")
_A5000 = ("it_A5kx1tF3vHy7JgLp", "it_A5kx2eR5uXb9KnQc", "it_A5kx4sD8iZw2MaTv", "it_A5kx8oY6pEf1GhCj")
_H100, _H100_EAST, _H200, _NEB_B200 = (
    ("it_5ECSoHQjLBzrp5YM",),
    ("it_XqgKWbhZ5gznAYsG",),
    ("it_7RHoQUztab9lU9Ne",),
    ("it_q0o0UtmD4bgy36kb",),
)
_V6E = ("it_iBJ0PZl0NszKMxPu", "it_tGQ0hu1bV2rY2fEO", "it_2vblKKB0L8sRG8K7")

POOLS = (
    Pool("us-central1-b", _H100, 64 * 8, 100, "calm"),
    Pool("us-central1-a", _H100, 32 * 8, 150, "busy"),
    Pool("us-central5-a", _H100, 48 * 8, 100, "idle"),
    Pool("eu-central1-a", _H100, 24 * 8, 150, "idle"),
    Pool("us-east1-a", _H100_EAST, 16 * 8, 150, "busy"),
    Pool("us-central5-a", _H200, 32 * 8, 100, "busy"),
    Pool("us-east1-a", _H200, 24 * 8, 150, "idle"),
    Pool("us-central1-b", _A100, 512, 50, "idle"),
    Pool("us-central1-a", _A100, 384, 50, "busy"),
    Pool("eu-central1-a", _A100, 256, 50, "idle"),
    Pool("us-central2-a", _B200, 192, 200, "idle"),
    Pool("me-central1-a", _B200, 128, 200, "busy"),
    Pool("eu-central1-b", _NEB_B200, 16 * 8, 200, "idle"),
    Pool("us-central1-a", _A40, 160, 20, "idle"),
    Pool("us-central2-a", _A40, 96, 20, "busy"),
    Pool("us-central1-b", _A5000, 128, 12, "idle", adjustable_memory=True),
    Pool("us-east1-a", _V6E, 64, 60, "idle"),
)

IMAGE_VERSIONS: tuple[dict[str, Any], ...] = (
    {
        "image_version_fid": "imgver_R7kQ2mVxT9sLw4Nd",
        "image_version_name": "ubuntu-22.04-cuda-12.8-v7",
        "os": "Ubuntu 22.04",
        "kernel": "6.8.0-52-generic",
        "stable": True,
        "supported_regions": list(REGIONS),
        "deactivated_at": None,
        "nvidia_driver": "570.124.06",
        "cuda": "12.8",
        "cuda_toolkit": "12.8.1",
        "nvidia_container_toolkit": "1.17.5",
        "packages": None,
    },
    {
        "image_version_fid": "imgver_C3pH8bYzJ5gUe1Aq",
        "image_version_name": "ubuntu-24.04-cuda-13.0-v2",
        "os": "Ubuntu 24.04",
        "kernel": "6.11.0-21-generic",
        "stable": False,
        "supported_regions": list(REGIONS),
        "deactivated_at": None,
        "nvidia_driver": "580.65.06",
        "cuda": "13.0",
        "cuda_toolkit": "13.0.0",
        "nvidia_container_toolkit": "1.17.8",
        "packages": None,
    },
)
DEFAULT_IMAGE = "imgver_R7kQ2mVxT9sLw4Nd"
