"""What the tests of startup scripts share: inputs, and a node to boot them on, whose tools are stubs that write down
how they were called. The fixtures are those of tests/startup/conftest.py.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import random
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest
from hypothesis import strategies as st

from flowplan.model.address import Address
from flowplan.model.live import Marker
from flowplan.model.resources import BID_NAME, ContainerImage, Inputs, LocalDisk, Mount, PortPair, Script
from flowplan.startup import script as scripts
from tests.processes import LONGEST, until

BASH = shutil.which("bash") or "/bin/bash"
SHELLCHECK = shutil.which("shellcheck")
TRAIN = Address("bid", "flow-sdk-batch-task-example")
STACK = "llm"
EXAMPLE_PORTS = tuple(
    PortPair(*pair)
    for pair in [
        (8080, 8080),
        *((port, port) for port in range(6006, 6011)),
        *((8440 + n, 8000 + n) for n in range(1, 6)),
    ]
)
BLOCK = Mount("vol_0123456789abcdefghij", "/mnt/my-new-volume", created=True)
DISK = "/dev/disk/by-id/virtio-vol_0123456789abcdef"
FILE = Mount("vol_fedcba9876543210", "/mnt/shared", "File", "shared")
HELLO = "#!/bin/bash\necho hello\nnvidia-smi\n"


def inputs(text: str | None = HELLO, ports: Sequence[PortPair] = (), mounts: Sequence[Mount] = (), **more) -> Inputs:
    return Inputs(None if text is None else Script.of(text), tuple(ports), tuple(mounts), **more)


def marked(given_inputs: Inputs, address: Address = TRAIN) -> Marker:
    return Marker.of(
        given_inputs,
        stack=STACK,
        lineage="5f0c6a52-8c1e-4c37-9e9b-2f0d7c1e8a11",
        address=address,
        generation=1,
        intent="b7e23ec29af22b0b4e41da31e868d572",
    )


def rendered(given_inputs: Inputs, **where) -> str:
    return scripts.render(given_inputs, marked(given_inputs), **where)


def figure(text: str) -> None:
    print(text)


def incompressible(size: int) -> str:
    """Text that gzip can only bring down to three quarters."""
    return base64.b64encode(random.Random(size).randbytes(size)).decode()[:size]


def long(size: int = 9000) -> str:
    """A script's text (comments, one line) that is too long inline with any parts, and fits compressed with all."""
    return "#" + " ".join(f"comment {random.Random(n).randrange(1000)}" for n in range(size // 12))[: max(size - 1, 0)]


TOOLS = ("bash", "base64", "cat", "chmod", "cmp", "cp", "env", "flock", "grep", "gzip")
TOOLS += ("head", "mkdir", "mktemp", "rm", "sha256sum", "sleep", "stat", "tail", "tee")
# What each stub does after writing its name and arguments to $NODE/calls. $NODE/answers/NAME comes first.
STUBS = {
    "systemctl": '[ "$1" != cat ] || [ -f "$NODE/root/etc/systemd/system/$2" ]',
    "foundrypf": "",
    "blockdev": 'stat -c %s "$2"',
    "blkid": 'grep -q "^ext4" "$2" && echo "$2: TYPE=ext4" || exit 2',
    "mkfs.ext4": 'echo ext4 >"${!#}"',
    "mountpoint": 'grep -qsxF "${!#}" "$NODE/mounted"',
    "mount": '[ -d "${!#}" ] && echo "${!#}" >>"$NODE/mounted"',
    "docker": "",
}


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The only directory in the PATH of a node: a few real tools, and stubs for what would touch this machine."""
    directory = tmp_path_factory.mktemp("bin")
    for tool in TOOLS:
        (directory / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool} here"))
    for name, action in STUBS.items():
        write_stub(directory / name, action)
    return directory


def write_stub(path: Path, action: str) -> None:
    """Its call is written at once, in one piece: some stubs run beside others."""
    path.write_text(
        f"#!{BASH}\nname=${{0##*/}}\ncall() {{ local IFS=$'\\t'; printf '%s\\n' \"$*\" >>\"$NODE/calls\"; }}\n"
        'call "$name" "$@"\n[ ! -e "$NODE/answers/$name" ] || . "$NODE/answers/$name"\n'
        f"{action}\n"
    )
    path.chmod(0o755)


@attrs.define
class Node:
    """An instance at its first boot: `root` is its file system, everything else what was observed."""

    path: Path
    stubs: Path
    environ: dict[str, str] = attrs.Factory(dict)
    output: str = ""
    code: int = -1

    def __attrs_post_init__(self) -> None:
        for directory in ("dev/disk/by-id", "etc", "mnt", "run/systemd/system", "usr/lib/systemd", "var/lib"):
            (self.root / directory).mkdir(parents=True)
        (self.path / "answers").mkdir()
        (self.root / "etc/fstab").write_text("LABEL=root / ext4 defaults 0 1")  # without a newline
        proxy = self.root / "usr/lib/systemd/systemd-socket-proxyd"
        proxy.touch(0o755)

    @property
    def root(self) -> Path:
        return self.path / "root"

    def answer(self, stub: str, action: str) -> None:
        (self.path / "answers" / stub).write_text(action)

    def disk(self, name: str = DISK, content: str = "\0" * 4096) -> Path:
        path = self.root / name[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def boot(self, given_inputs: Inputs, *options: str, patience: int = 0) -> Node:
        return self.run(rendered(given_inputs, root=str(self.root), patience=patience), *options)

    def run(self, text: str, *options: str) -> Node:
        script = self.path / "sent"
        script.write_bytes(text.encode())
        environ = {"PATH": str(self.stubs), "NODE": str(self.path)} | self.environ
        process = subprocess.Popen(
            [BASH, *options, script],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(b"typed\n", timeout=LONGEST)
        finally:
            self.stop(process)
        self.output, self.code = output.decode(errors="replace"), process.returncode
        return self

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Ends also what runs on in the background; after it has made its first call."""
        if "keeps" in self.environ:
            self.wait_for_calls(int(self.environ["keeps"]))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait_for_calls(self, count: int) -> None:
        until(lambda: len(self.calls()) >= count)

    def calls(self, *names: str) -> list[str]:
        """The calls of these stubs (or of all), in order, with the node's root left out."""
        record = self.path / "calls"
        lines = record.read_text().splitlines() if record.exists() else []
        found = [line.replace(str(self.root), "").replace("\t", " ") for line in lines]
        return [call for call in found if not names or call.split()[0] in names]

    def text(self, path: str) -> str:
        return (self.root / path).read_text().replace(str(self.root), "")

    @property
    def status(self) -> list[str]:
        return self.text("var/run/flowplan/status").splitlines()

    @property
    def units(self) -> list[str]:
        return sorted(path.name for path in (self.root / "etc/systemd/system").glob("*"))

    @property
    def ran(self) -> bytes:
        return (self.path / "ran").read_bytes()


@pytest.fixture
def node(tmp_path: Path, stubs: Path) -> Node:
    return Node(tmp_path / "node", stubs)


NAMES = st.from_regex(re.compile(BID_NAME.pattern, re.ASCII), fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VOLUME_IDS = st.from_regex(r"vol_[A-Za-z0-9]{1,24}", fullmatch=True)
DIRECTORIES = st.from_regex(r"(/(?!\.)[A-Za-z0-9._-]{1,12}){1,4}", fullmatch=True)
PORTS = st.integers(1, 65535)


@st.composite
def port_pairs(draw: st.DrawFn, most: int = 4, longest: int = 6) -> tuple[PortPair, ...]:
    pairs = []
    for external, internal, equal, length in draw(
        st.lists(st.tuples(PORTS, PORTS, st.booleans(), st.integers(1, longest)), max_size=most)
    ):
        start = external if equal else internal
        pairs += [PortPair(external + n, start + n) for n in range(length) if max(external, start) + n <= 65535]
    return tuple(pairs)


EXAMPLE = inputs(HELLO, EXAMPLE_PORTS, [BLOCK])
EVERYTHING = inputs(
    HELLO,
    EXAMPLE_PORTS,
    [BLOCK, FILE, attrs.evolve(FILE, mount_point="/data/shared")],
    local_disks=(LocalDisk("/dev/nvme1n1", "/scratch"),),
    container_image=ContainerImage("ghcr.io/a/b:1", None, "--gpus all -e 'GREETING=hello world' -p 80:80"),
)


@st.composite
def any_inputs(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> Inputs:
    """Inputs that a configuration could have: safe values, opaque scripts, directories given once."""
    points = iter(draw(st.lists(DIRECTORIES, unique=True, min_size=7, max_size=7)))
    ids = draw(st.lists(VOLUME_IDS, unique_by=lambda text: text[:20], max_size=2))
    names = draw(st.lists(st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True), unique=True, max_size=2))
    mounts = [Mount(volume, next(points), created=draw(st.booleans())) for volume in ids]
    mounts += [
        Mount(f"vol_file{n}", draw(st.sampled_from([f"/mnt/{name}", next(points)])), "File", name)
        for n, name in enumerate(names)
    ]
    disks = draw(st.lists(st.from_regex(r"/dev/[a-z0-9]{3,8}", fullmatch=True), unique=True, max_size=1))
    image = st.builds(
        ContainerImage,
        st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8})?(:[a-z0-9.]{1,8})?", fullmatch=True),
        st.none() | st.sampled_from([".", "/src", "https://example.com/a b.git#main", "$(reboot)"]),
        st.none()
        | st.sampled_from(["--gpus all", "-e 'A=b c' --name x", "$(reboot) `reboot` ; reboot & *", '"" -p 80:80']),
    )
    return Inputs(
        draw(st.none() | texts.map(Script.of)),
        tuple({pair.external: pair for pair in draw(port_pairs(most=2, longest=2))}.values()),
        tuple(draw(st.permutations(mounts))),
        tuple(LocalDisk(disk, next(points)) for disk in disks),
        draw(st.none() | image),
    )


def unpacked(text: str) -> str | None:
    """The steps of a compressed script below the values they use; None for an inline one."""
    if "gzip" not in text:
        return None
    head, rest = text.split("work=$(", 1)
    packed = gzip.decompress(base64.b64decode(rest.split("<<'END'", 1)[1].split("\n", 2)[1]))
    steps, main, _ = packed.decode(errors="surrogateescape").partition("\nmain\n")
    return head.replace("# shellcheck disable=SC2034\n", "") + steps + main


def write_all(texts: Sequence[str], directory: Path) -> list[Path]:
    """Each different script, and what is compressed in it, in a file of its own."""
    every = dict.fromkeys([*texts, *filter(None, map(unpacked, texts))])
    paths = [directory / f"{n}.sh" for n in range(len(every))]
    for path, text in zip(paths, every, strict=True):
        path.write_text(text)
    return paths


MOST_CPU = 60  # seconds that shellcheck has for fifty scripts, of which each takes a tenth of one, or then for each


def lint(paths: Sequence[Path], *, drawn: bool = False) -> None:
    """`bash -n` and, where there is one, shellcheck: no remark of any severity but those that say that a value may be
    meant otherwise: `$` in single quotes does not expand (SC2016), `image=tr` does not run `tr` (SC2209), and a share
    that is called `do` begins no loop (SC1010). Of scripts that were `drawn` one may keep shellcheck busy for minutes:
    that is told, and what it would say of that one is not known."""
    for path in paths:
        result = subprocess.run([BASH, "-n", path], capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, ""), path.read_text()
    if SHELLCHECK is None:
        pytest.skip("only bash -n was run: shellcheck is not installed (apt-get install shellcheck)")
    busy: list[Path] = []
    for start in range(0, len(paths), 50):
        some = paths[start : start + 50]
        if not _passes(some):
            busy += [path for path in some if not _passes([path])]
    assert not busy or drawn, f"shellcheck does not come to an end with {busy[0].read_text()}"
    assert len(busy) <= 1 + len(paths) // 100, f"shellcheck does not come to an end with {len(busy)} of {len(paths)}"
    if busy:
        print(f"{len(busy)} of {len(paths)} generated scripts kept shellcheck busy for {MOST_CPU} s: not checked by it")


def _passes(paths: Sequence[Path]) -> bool:
    """False: shellcheck was ended, for it took too much CPU. It has no remark, or this fails."""
    bounded = [BASH, "-c", f'ulimit -t {MOST_CPU}; exec "$0" "$@"', SHELLCHECK]
    command = [*bounded, "--norc", "--exclude=SC2016,SC2209,SC1010", *paths]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return False
    assert (result.returncode, result.stdout) == (0, "")
    return True


def copies_only(node: Node) -> None:
    """The node's bash keeps what it should run, and runs nothing: for texts that nobody should run."""
    directory = node.path / "copying"
    directory.mkdir()
    (directory / "bash").write_text(f'#!{BASH}\ncp "$1" "$NODE/ran"\n')
    (directory / "bash").chmod(0o755)
    node.environ["PATH"] = f"{directory}:{node.stubs}"


def without(node: Node, *names: str) -> Path:
    directory = node.path / "fewer"
    directory.mkdir()
    for tool in node.stubs.iterdir():
        if tool.name not in names:
            (directory / tool.name).symlink_to(tool)
    return directory
