"""What a startup script does: disks and file systems."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import attrs
import pytest

from flowplan.model.resources import LocalDisk, Mount, PortPair
from tests.startup.node import BLOCK, DISK, FILE, Node, inputs, without, write_stub


def test_an_empty_disk_is_formatted_and_mounted_now_and_at_every_boot(node: Node):
    node.disk()
    node.boot(inputs("exit 0", mounts=[BLOCK]))
    assert node.calls() == [
        "mountpoint -q /mnt/my-new-volume",
        f"blockdev --getsize64 {DISK}",
        f"blkid -p {DISK}",
        f"blockdev --getsize64 {DISK}",
        f"mkfs.ext4 -q {DISK}",
        f"mount {DISK} /mnt/my-new-volume",
    ]
    assert node.text("etc/fstab").splitlines() == [
        "LABEL=root / ext4 defaults 0 1",
        f"{DISK} /mnt/my-new-volume auto defaults,nofail 0 2",
    ]
    assert (node.root / "mnt/my-new-volume").is_dir()
    assert node.status[0] == "mount./mnt/my-new-volume=ok"


def test_a_disk_with_something_on_it_is_never_formatted(node: Node):
    disk = node.disk(content="ext4, somebody's data")
    node.boot(inputs("exit 0", mounts=[BLOCK]))
    assert node.calls("mkfs.ext4") == []
    assert node.calls("mount") == [f"mount {DISK} /mnt/my-new-volume"]
    assert disk.read_text() == "ext4, somebody's data"


@pytest.mark.parametrize(
    "answer",
    [
        "exit 1",
        "exit 4",
        "exit 8",  # several things found
        "exit 127",
        "exit 139",
        "echo 'error: I/O error' >&2; exit 2",
        "echo ambivalent; exit 2",
    ],
)
def test_when_blkid_does_not_clearly_say_empty_the_disk_is_left_alone(node: Node, answer: str):
    node.disk()
    node.answer("blkid", answer)
    node.boot(inputs("exit 3", mounts=[BLOCK]))
    assert node.calls("mkfs.ext4", "mount") == []
    assert node.status == ["mount./mnt/my-new-volume=failed", "script=running", "script=exit 3"]
    assert "left alone, blkid exits with" in node.output
    assert node.code == 3


@pytest.mark.parametrize("missing", ["blkid", "mkfs.ext4", "blockdev", "mount", "mountpoint"])
def test_a_missing_tool_formats_nothing_twice_and_stops_nothing(node: Node, missing: str):
    disk = node.disk()
    node.environ["PATH"] = str(without(node, missing))
    node.boot(inputs("exit 3", mounts=[BLOCK]))
    assert (node.code, node.status[0]) == (
        3,
        f"mount./mnt/my-new-volume={'ok' if missing == 'mountpoint' else 'failed'}",
    )
    assert (disk.read_text() == "ext4\n") is (missing in ("mount", "mountpoint"))


def test_a_disk_that_cannot_be_read_is_not_formatted(node: Node):
    """blkid -p exits with 2 and no word for an unreadable disk too."""
    (node.root / DISK[1:]).mkdir()  # head fails on it
    node.boot(inputs("exit 0", mounts=[BLOCK]))
    assert node.calls("blkid", "mkfs.ext4", "mount") == []
    assert node.status[0] == "mount./mnt/my-new-volume=failed"
    assert f"flowplan: {DISK}: no readable disk after " in node.output


@pytest.mark.skipif(shutil.which("blkid", path="/sbin:/usr/sbin") is None, reason="blkid is not installed")
def test_what_blkid_really_says(tmp_path: Path):
    """The facts that `mount_disk` stands on; should they change, so must it."""
    blank = tmp_path / "blank"
    blank.write_bytes(bytes(1 << 20))
    blkid = shutil.which("blkid", path="/sbin:/usr/sbin")
    for path in (blank, tmp_path / "missing"):
        result = subprocess.run([blkid, "-p", path], capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout + result.stderr) == (2, "")


def test_a_disk_that_appears_late_is_waited_for(node: Node):
    node.environ["PATH"] = str(without(node, "sleep"))
    write_stub(
        node.path / "fewer/sleep",
        f'echo >>"$NODE/slept"; [ $(grep -c "" "$NODE/slept") -lt 2 ] || head -c 4096 /dev/zero >"$NODE/root{DISK}"',
    )
    node.environ["SECONDS"] = "99999"  # bash would go on counting from there
    node.boot(inputs("exit 0", mounts=[BLOCK]), patience=60)
    assert len(node.calls("sleep")) == 2
    assert node.status[0] == "mount./mnt/my-new-volume=ok"


def test_a_disk_that_never_appears_costs_the_patience_of_the_script_once(node: Node):
    node.boot(inputs("exit 3", mounts=[BLOCK, Mount("vol_2", "/mnt/b"), FILE]), patience=1)
    assert len(node.calls("blockdev")) <= 5
    assert node.status[:3] == [f"mount.{point}=failed" for point in ("/mnt/b", "/mnt/my-new-volume", "/mnt/shared")]
    assert node.code == 3


def test_a_file_volume_is_mounted_by_the_platform(node: Node):
    (node.path / "mounted").write_text(f"{node.root}/mnt/shared\n")
    node.boot(inputs("exit 0", mounts=[FILE]))
    assert node.calls("mount", "mkfs.ext4", "blkid") == []
    assert node.status[0] == "mount./mnt/shared=ok"
    assert node.text("etc/fstab") == "LABEL=root / ext4 defaults 0 1"


def test_a_file_volume_is_bound_elsewhere(node: Node):
    (node.path / "mounted").write_text(f"{node.root}/mnt/shared\n")
    node.boot(inputs("exit 0", mounts=[attrs.evolve(FILE, mount_point="/data/x")]))
    assert node.calls("mount") == ["mount --bind /mnt/shared /data/x"]
    assert node.text("etc/fstab").splitlines()[1] == "/mnt/shared /data/x none bind,nofail 0 0"


def test_a_file_volume_that_the_platform_does_not_mount_fails(node: Node):
    node.boot(inputs("exit 3", mounts=[attrs.evolve(FILE, mount_point="/data/x")]))
    assert node.calls("mount") == []
    assert node.status == ["mount./data/x=failed", "script=running", "script=exit 3"]
    assert "flowplan: /mnt/shared: not mounted after " in node.output


def test_a_local_disk_is_treated_like_a_volume(node: Node):
    node.disk("/dev/nvme1n1")
    node.boot(inputs("exit 0", local_disks=(LocalDisk("/dev/nvme1n1", "/scratch"),)))
    assert node.calls("mkfs.ext4", "mount") == ["mkfs.ext4 -q /dev/nvme1n1", "mount /dev/nvme1n1 /scratch"]


def test_directories_are_mounted_before_what_is_below_them(node: Node):
    node.disk("/dev/disk/by-id/virtio-vol_a", "ext4")
    node.disk("/dev/nvme1n1")
    (node.path / "mounted").write_text(f"{node.root}/mnt/shared\n")
    mounts = [Mount("vol_a", "/data/a/b"), attrs.evolve(FILE, mount_point="/data")]
    node.boot(inputs("exit 0", mounts=mounts, local_disks=(LocalDisk("/dev/nvme1n1", "/data/a"),)))
    assert [call.split()[-1] for call in node.calls("mount")] == ["/data", "/data/a", "/data/a/b"]


def test_a_second_run_formats_mounts_and_adds_nothing(node: Node):
    node.disk()
    (node.path / "mounted").write_text(f"{node.root}/mnt/shared\n")
    given_inputs = inputs("exit 0", [PortPair(8441, 8001)], [BLOCK, attrs.evolve(FILE, mount_point="/data")])
    fstab = node.boot(given_inputs).text("etc/fstab")
    status = node.status
    (node.path / "calls").unlink()
    assert node.boot(given_inputs).text("etc/fstab") == fstab
    assert node.status == status
    assert node.calls("mkfs.ext4", "mount") == []
    (node.path / "mounted").write_text(f"{node.root}/mnt/shared\n")  # as after an unclean boot
    assert node.boot(given_inputs).text("etc/fstab") == fstab
    assert [call.split()[0] for call in node.calls("mkfs.ext4", "mount")] == ["mount", "mount"]
