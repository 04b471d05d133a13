"""A disk that really is full: a small tmpfs, filled up to so many bytes.

It is mounted in a mount namespace of the runner's own, so that nobody else sees it and it is gone with it. Where the
machine forbids that, no room is simulated at every call instead, and the reason is printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.ends import ON_FILES, refused_if_room_is_needed
from tests.faults.full_disk import WAYS_IN
from tests.faults.proof import Proof
from tests.faults.runner import Runner
from tests.faults.scenarios import SCENARIOS, STATE, Folder

PAGE = 4096  # bytes: what a tmpfs counts in
MB = 1024 * 1024
SIZE = 3 * MB
# Room for nothing; for the lock; for a part of the journal; for the journal and then less and less too little; for all.
ROOMS = (0, PAGE, 2 * PAGE, MB // 2, MB, *(MB + n * PAGE for n in (1, 2, 4, 7)), 2 * MB)


class FullDisk:
    """Where `inside` is a tmpfs for the runner; `path` is the same place for everybody else."""

    def __init__(self, inside: Path, runner: Runner) -> None:
        self.inside, self.runner = inside, runner
        self.path = Path(f"/proc/{runner.pid}/root{inside}")

    def filled(self, template: Folder, room: int) -> Folder:
        """A copy of `template` on the disk, with `room` bytes left; its cloud is kept elsewhere."""
        for path in self.path.iterdir():
            path.unlink()
        cloud = self.inside.parent / "cloud"
        shutil.rmtree(cloud, ignore_errors=True)
        shutil.copytree(template.path / ".flowplan", cloud)
        (self.path / ".flowplan").symlink_to(cloud)
        for path in template.path.iterdir():
            if path.is_file():
                shutil.copy(path, self.path)
        self._fill(room)
        return Folder(self.path, self.runner, inside=self.inside, data=cloud)

    def _fill(self, room: int) -> None:
        found = os.statvfs(self.path)
        with (self.path / "ballast.yaml").open("wb") as ballast:  # a name that no check looks at
            os.posix_fallocate(ballast.fileno(), 0, found.f_bavail * found.f_bsize - room or PAGE)
        found = os.statvfs(self.path)
        assert found.f_bavail * found.f_bsize == room

    def free(self) -> None:
        (self.path / "ballast.yaml").unlink()


def why_not(within: tuple[str, ...], place: Path) -> str | None:
    """Why no tmpfs can be mounted like this, or None."""
    try:
        tried = subprocess.run([*mounting(within, place), "true"], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return tried.stderr.strip() or f"exit code {tried.returncode}" if tried.returncode else None


def mounting(within: tuple[str, ...], place: Path) -> tuple[str, ...]:
    mount = f'mount -t tmpfs -o size={SIZE},mode=0700 tmpfs "$0" && exec "$@"'
    return (*within, "sh", "-c", mount, str(place))


@pytest.fixture
def disk(in_memory: Path) -> Iterator[FullDisk | str]:
    """The disk, or why there is none."""
    place = in_memory / "disk" / "work"
    place.mkdir(parents=True)
    (in_memory / "printed").mkdir()
    reasons = {within: why_not(within, place) for within in WAYS_IN}
    ways = [within for within, reason in reasons.items() if reason is None]
    if not ways:
        yield "; ".join(f"{' '.join(within)}: {reason}" for within, reason in reasons.items())
        return
    with Runner(in_memory / "printed", mounting(ways[0], place)) as runner:
        yield FullDisk(place, runner)


@pytest.mark.parametrize(
    "name", ["create two with volumes and ports", "destroy", pytest.param("update a limit", marks=pytest.mark.slow)]
)
def test_a_full_disk_is_met_before_the_first_change(
    name: str, disk: FullDisk | str, in_memory: Path, runner: Runner
) -> None:
    """Less room than the journal reserves: exit code 5, nothing done, the state as it was. Room for the journal, but
    not for the state: 5 again, and everything that was done is in the journal. What only stops does without either."""
    proof = Proof(name, SCENARIOS[name], in_memory, runner)
    if isinstance(disk, str):
        print(f"no tmpfs can be mounted here ({disk}): no room is simulated instead")
        for number in proof.numbers(ON_FILES):
            proof.interrupt(number, "full", refused_if_room_is_needed)
        proof.conclude()
        return
    ended: dict[int, str] = {room: one_size(proof, disk, room) for room in ROOMS}
    how = {end: sum(1 for one in ended.values() if one == end) for end in dict.fromkeys(ended.values())}
    print(f"{name}, a tmpfs filled up to {len(ROOMS)} sizes of room: {how}; {len(ROOMS)} recovered, 0 duplicates")
    before = "done" if name == "destroy" else "refused before any change"
    assert all(ended[room] == before for room in ROOMS if room < MB)
    assert "done" in how


def one_size(proof: Proof, disk: FullDisk, room: int) -> str:
    """How the command ended with so much room. Proves that it goes on once there is more."""
    folder = disk.filled(proof.template, room)
    before = folder.cloud().changes, _state(folder)
    ran = folder.run(proof.scenario.command)
    assert ran.codes in ([0], [5]), ran
    untouched = (folder.cloud().changes, _state(folder)) == before
    proof.check_in_between(folder, f"{room} bytes left")
    disk.free()
    proof.prove(folder, f"{room} bytes left", str(room))
    if ran.codes == [0]:
        return "done"
    assert "No space left on device" in " ".join(ran.err.split())
    return "refused before any change" if untouched else "done in part, and recorded"


def _state(folder: Folder) -> bytes | None:
    path = folder.path / STATE
    return path.read_bytes() if path.exists() else None
