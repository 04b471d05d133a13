"""Which disks the startup script formats: those that its stack made, or the instance brought, and that hold nothing.

Real tools on real block devices where this machine has loop devices for us, else on files with the stubs of
node.py.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from flowplan.model.resources import LocalDisk, Mount
from tests.conftest import BID, VOLUME, Place, bid_id, live_ids
from tests.processes import LONGEST, Process
from tests.startup.node import BLOCK, DISK, Node, inputs, rendered

SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
MIB = 1 << 20
SIZE = 200 * MIB
ATTACHED = attrs.evolve(BLOCK, created=False)
STATUS = "mount./mnt/my-new-volume"


@pytest.fixture
def node(tmp_path: Path, stubs: Path) -> Node:
    return Node(tmp_path / "node", stubs)


def sparse(node: Node, name: str = DISK, size: int = SIZE) -> Path:
    path = node.disk(name, "")
    os.truncate(path, size)
    return path


def put(path: Path, offset: int, data: bytes = b"\1") -> None:
    with path.open("r+b") as file:
        file.seek(offset, os.SEEK_END if offset < 0 else os.SEEK_SET)
        file.write(data)


# ---- what is formatted ------------------------------------------------------------------------------------------


def test_what_this_stack_created_is_formatted_when_it_is_blank(node: Node) -> None:
    sparse(node)
    node.boot(inputs("exit 0", mounts=[BLOCK]))
    assert node.calls("mkfs.ext4", "mount") == [f"mkfs.ext4 -q {DISK}", f"mount {DISK} /mnt/my-new-volume"]


@pytest.mark.parametrize("content", ["", "raw database"], ids=["blank", "unknown"])
def test_an_attached_volume_is_never_formatted_whatever_blkid_says(node: Node, content: str) -> None:
    disk = sparse(node)
    put(disk, 0, content.encode())
    node.boot(inputs("exit 3", mounts=[ATTACHED]))
    assert node.calls("mkfs.ext4", "mount") == []
    assert node.status == [f"{STATUS}=failed", "script=running", "script=exit 3"]
    assert "attached and without a file system, left alone" in node.output
    assert "virtio" not in node.text("etc/fstab")


def test_an_attached_volume_beside_a_created_one_is_not_formatted_either(node: Node) -> None:
    other = Mount("vol_2", "/mnt/other")
    for name in (DISK, "/dev/disk/by-id/virtio-vol_2"):
        sparse(node, name)
    node.boot(inputs("exit 0", mounts=[BLOCK, other]))
    assert node.calls("mkfs.ext4") == [f"mkfs.ext4 -q {DISK}"]
    assert node.status[:2] == [f"{STATUS}=ok", "mount./mnt/other=failed"]


def test_an_attached_volume_with_a_file_system_is_mounted(node: Node) -> None:
    node.disk(content="ext4")
    node.boot(inputs("exit 0", mounts=[ATTACHED]))
    assert node.calls("mkfs.ext4", "mount") == [f"mount {DISK} /mnt/my-new-volume"]


def test_a_script_that_only_attaches_cannot_format_at_all() -> None:
    assert "mkfs" not in rendered(inputs("exit 0", mounts=[ATTACHED]))
    assert "mkfs" in rendered(inputs("exit 0", mounts=[BLOCK]))


PLACES = {
    "first byte": 0,
    "LUKS, LVM label": 512,
    "ext4 superblock": 1080,
    "swap": 4086,
    "iso9660": 32769,
    "btrfs": 65600,
    "ZFS label 1": 256 * 1024 + 16384,
    "last byte of the head": 16 * MIB - 1,
    "btrfs mirror": 64 * MIB,
    "ext4 backup superblock": 128 * MIB + 1080 - 1024,
    "xfs allocation group": SIZE // 4,
    "another xfs allocation group": SIZE // 4 * 3,
    "ZFS labels 2 and 3": -300 * 1024,
    "mdraid 1.0": -8192,
    "mdraid 0.90": -64 * 1024,
    "GPT backup": -512,
    "last byte": -1,
}


@pytest.mark.parametrize("offset", PLACES.values(), ids=PLACES.keys())
def test_one_byte_where_something_may_begin_or_end_is_enough(node: Node, offset: int) -> None:
    """blkid says nothing, the volume is ours: and still somebody may have written to it."""
    disk = sparse(node)
    put(disk, offset)
    os.utime(disk, (0, 0))
    node.boot(inputs("exit 3", mounts=[BLOCK]))
    assert node.calls("mkfs.ext4", "mount") == []
    assert node.status[0] == f"{STATUS}=failed"
    assert f"{DISK}: not all zero, left alone" in node.output
    assert (disk.stat().st_size, disk.stat().st_mtime) == (SIZE, 0)  # nobody wrote to it


@pytest.mark.parametrize("size", [1, 512, 65537, 16 * MIB, 16 * MIB + 1, 64 * MIB + 3])
@pytest.mark.parametrize("written", [False, True])
def test_a_device_of_any_size_is_looked_through_to_its_end(node: Node, size: int, written: bool) -> None:
    disk = sparse(node, size=size)
    if written:
        put(disk, size - 1)
    node.boot(inputs("exit 0", mounts=[BLOCK]))
    assert len(node.calls("mkfs.ext4")) == (not written)


@pytest.mark.parametrize("missing", ["cmp", "flock", "blkid"])
def test_without_the_tool_that_would_tell_nothing_is_formatted(node: Node, missing: str) -> None:
    sparse(node)
    directory = node.path / "fewer"
    directory.mkdir()
    for tool in node.stubs.iterdir():
        if tool.name != missing:
            (directory / tool.name).symlink_to(tool)
    node.environ["PATH"] = str(directory)
    node.boot(inputs("exit 3", mounts=[BLOCK]))
    assert node.calls("mkfs.ext4", "mount") == []
    assert (node.code, node.status[0]) == (3, f"{STATUS}=failed")


def test_a_size_that_is_told_as_0_is_no_blank_disk(node: Node) -> None:
    sparse(node)
    node.answer("blockdev", "echo 0; exit 0")
    node.boot(inputs("exit 0", mounts=[BLOCK]))
    assert node.calls("mkfs.ext4") == []


def test_a_device_that_another_process_has_open_is_left(node: Node) -> None:
    disk = sparse(node)
    with disk.open("rb"):
        node.boot(inputs("exit 3", mounts=[BLOCK]))
    assert node.calls("mkfs.ext4", "mount") == []
    assert f"{DISK}: in use, left alone" in node.output


def test_a_local_disk_that_is_a_volume_by_another_name_is_left(node: Node) -> None:
    disk = sparse(node, "/dev/vdb")
    link = node.root / DISK[1:]
    link.symlink_to(disk)
    node.boot(inputs("exit 0", mounts=[ATTACHED], local_disks=(LocalDisk("/dev/vdb", "/scratch"),)))
    assert node.calls("mkfs.ext4", "mount") == []
    assert node.status[:2] == [f"{STATUS}=failed", "mount./scratch=failed"]
    assert "/dev/vdb: is a volume, left alone" in node.output


def test_a_local_disk_with_something_on_it_is_left(node: Node) -> None:
    put(sparse(node, "/dev/nvme1n1"), 100 * MIB)
    node.boot(inputs("exit 0", local_disks=(LocalDisk("/dev/nvme1n1", "/scratch"),)))
    assert node.calls("mkfs.ext4", "mount") == []


def test_a_format_that_fails_half_way_is_not_begun_again(node: Node) -> None:
    """Whether it was a format or somebody's data, the next boot cannot tell: it says so, and a person decides."""
    disk = sparse(node)
    node.answer("mkfs.ext4", 'printf half >>"${!#}"; exit 1')
    node.boot(inputs("exit 0", mounts=[BLOCK]))
    assert node.status[0] == f"{STATUS}=failed"
    before = disk.read_bytes()
    (node.path / "answers/mkfs.ext4").unlink()
    node.boot(inputs("exit 0", mounts=[BLOCK]))
    assert node.status[0] == f"{STATUS}=failed"
    assert disk.read_bytes() == before


def test_two_runs_at_once_format_once(node: Node) -> None:
    sparse(node)
    node.answer("mkfs.ext4", "sleep 0.2")
    text = rendered(inputs("exit 0", mounts=[BLOCK]), root=str(node.root), patience=5)
    script = node.path / "sent"
    script.write_text(text)
    environ = {"PATH": str(node.stubs), "NODE": str(node.path)}
    runs = [Process(["bash", script], env=environ, stdin=subprocess.DEVNULL) for _ in range(2)]
    assert [run.wait(LONGEST) for run in runs] == [0, 0]
    assert len(node.calls("mkfs.ext4")) == len(node.calls("mount")) == 1


# ---- with real tools --------------------------------------------------------------------------------------------


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Makes loop devices of so many bytes; detaches them again."""
    made: list[str] = []

    def make(size: int, *options: str) -> Path:
        image = tmp_path / f"image{len(made)}"
        image.touch()
        os.truncate(image, size)
        done = subprocess.run(
            ["losetup", *options, "--find", "--show", image],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": SBIN},
        )
        if done.returncode:
            pytest.skip(f"no loop device here: {done.stderr.strip()}")
        made.append(done.stdout.strip())
        return Path(made[-1])

    if shutil.which("losetup", path=SBIN) is None or os.geteuid():
        pytest.skip("loop devices need losetup, and root")
    yield make
    for name in made:
        subprocess.run(["umount", "-q", name], check=False, env={"PATH": SBIN})
        subprocess.run(["losetup", "--detach", name], check=True, env={"PATH": SBIN})


def real(node: Node, device: Path) -> Node:
    """The node with this machine's own tools, and `device` as the volume. The status is on the node."""
    bare = node.path / "real"
    bare.mkdir()
    for tool in node.stubs.iterdir():
        name = tool.name
        found = shutil.which(name, path=SBIN)
        if found and name not in ("systemctl", "docker", "foundrypf"):
            (bare / name).symlink_to(found)
    node.environ["PATH"] = str(bare)
    link = node.root / DISK[1:]
    link.symlink_to(device)
    return node


def test_a_real_blank_device_is_formatted_mounted_and_kept_over_the_next_boot(
    node: Node, device: Callable[..., Path]
) -> None:
    disk = device(64 * MIB)
    real(node, disk).boot(inputs("exit 0", mounts=[BLOCK]))
    point = node.root / "mnt/my-new-volume"
    assert node.status[0] == f"{STATUS}=ok", node.output
    try:
        (point / "data").write_text("mine")
    finally:
        subprocess.run(["umount", point], check=True, env={"PATH": SBIN})
    node.boot(inputs("exit 0", mounts=[ATTACHED]))
    try:
        assert (point / "data").read_text() == "mine"
    finally:
        subprocess.run(["umount", point], check=True, env={"PATH": SBIN})


def test_a_real_damaged_file_system_is_left(node: Node, device: Callable[..., Path]) -> None:
    """The first MiB of an ext4 wiped: blkid sees nothing, and everything behind it is there."""
    disk = device(64 * MIB)
    subprocess.run(["mkfs.ext4", "-q", disk], check=True, env={"PATH": SBIN})
    put(disk, 0, bytes(MIB))
    before = disk.read_bytes()
    real(node, disk).boot(inputs("exit 0", mounts=[BLOCK]))
    assert node.status[0] == f"{STATUS}=failed"
    assert "not all zero, left alone" in node.output
    assert disk.read_bytes() == before


def test_a_real_device_that_cannot_be_written_fails_and_says_so(node: Node, device: Callable[..., Path]) -> None:
    disk = device(64 * MIB, "--read-only")
    real(node, disk).boot(inputs("exit 0", mounts=[BLOCK]))
    assert node.status[0] == f"{STATUS}=failed"
    assert disk.read_bytes() == bytes(64 * MIB)


# ---- how the script knows ---------------------------------------------------------------------------------------


def kinds(place: Place) -> list[str]:
    """What the script of each bid that has not ended says of its one disk."""
    bids = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    scripts = [bid["launch_specification"]["startup_script"] for bid in bids if bid["fid"] in live_ids(place)]
    return [text.split("mounts=(", 1)[1].split(" ", 1)[0] for text in scripts]


def test_what_create_made_may_be_formatted_and_what_attach_found_may_not(example: Place) -> None:
    example.ok("apply", "--auto-approve")
    assert kinds(example) == ["created"]
    assert not {"created", "adopted"} & set(re.findall(r"\w+", (example.path / "flowplan.state.json").read_text()))
    volume, bid = bid_id(example, VOLUME), bid_id(example)
    for address in (BID, VOLUME):
        example.ok("state", "rm", address)
    example.call("DELETE", f"/v2/spot/bids/{bid}")
    text = (example.path / "flowplan.yaml").read_text()
    use = f"persistent_storage: {{attach: {{volume_name: {volume}, mount_point: /mnt/my-new-volume}}}}\n"
    example.write(re.sub(r"(?ms)^persistent_storage:.*?(?=^\S)", use, text))
    example.ok("apply", "--auto-approve")
    assert kinds(example) == ["attached"]


def test_an_imported_volume_may_not_be_formatted_also_later(example: Place) -> None:
    example.ok("apply", "--auto-approve")
    volume, bid = bid_id(example, VOLUME), bid_id(example)
    for address in (BID, VOLUME):
        example.ok("state", "rm", address)
    example.call("DELETE", f"/v2/spot/bids/{bid}")
    example.ok("import", VOLUME, volume)
    for _ in range(2):
        example.ok("apply", "--auto-approve")
        assert kinds(example) == ["attached"]
        example.ok("apply", "--auto-approve", "--replace", BID)
