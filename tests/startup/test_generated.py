"""Generated startup scripts, booted."""

from __future__ import annotations

import tempfile
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowplan.model.address import Address
from flowplan.model.resources import ContainerImage, Inputs, Mount, Script
from flowplan.startup import script as scripts
from tests.startup.node import BASH, NAMES, Node, any_inputs, copies_only, figure, inputs, lint, long, marked, write_all

NASTY = [
    "",
    "\n",
    "#",
    "{{ x }}",
    "${#x}",
    "END\n",
    "\r\n",
    "'",
    '"',
    "`reboot`",
    "$(reboot)",
    "\\",
    "main\n",
    "\0",
    "@{",
    "#% if",
]
TEXTS = st.lists(st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"])), max_size=8).map("".join)
OPAQUE = st.builds(
    lambda text, tail, run: ("#!@BIN@/keep\n" if run else "x") + text + tail,
    TEXTS,
    st.sampled_from([0, 0, 0, 9000]).map(long),
    st.booleans(),
)


def boot_generated(stubs: Path, given_inputs: Inputs, name: str) -> str:
    """Renders, runs and checks one generated script; returns it as it would be sent."""
    if given_inputs.startup_script is not None:
        text = given_inputs.startup_script.text or ""
        given_inputs = attrs.evolve(given_inputs, startup_script=Script.of(text.replace("@BIN@", str(stubs))))
    with tempfile.TemporaryDirectory() as directory:
        node = Node(Path(directory) / "node", stubs)
        copies_only(node)
        if not (stubs / "keep").exists():
            (stubs / "keep").write_text(f'#!{BASH}\ncp "$1" "$NODE/ran"\n')
            (stubs / "keep").chmod(0o755)
        shares = {mount.volume_name for mount in given_inputs.mounts if mount.interface == "File"}
        (node.path / "mounted").write_text("".join(f"{node.root}/mnt/{share}\n" for share in shares))
        for mount in given_inputs.mounts:
            if mount.interface == "Block":
                content = "\0" * 4096 if mount.created else "ext4"
                node.disk(f"/dev/disk/by-id/virtio-{str(mount.volume)[:20]}", content)
        for disk in given_inputs.local_disks:
            node.disk(disk.device)
        marker = marked(given_inputs, Address("bid", name))
        node.run(scripts.render(given_inputs, marker, root=str(node.root), patience=0))
        assert node.code == 0, node.output
        check_generated(node, given_inputs)
    return scripts.render(given_inputs, marker)


def check_generated(node: Node, given_inputs: Inputs) -> None:
    script = given_inputs.startup_script
    if script is not None and script.text is not None:
        assert node.ran == script.text.encode()
    points = sorted([m.mount_point for m in given_inputs.mounts] + [d.mount_point for d in given_inputs.local_disks])
    assert node.status == [
        *(f"port.{pair.external}=ok" for pair in given_inputs.ports),
        *(f"mount.{point}=ok" for point in points),
        *(["image=ok"] if given_inputs.container_image else []),
        *(["script=none"] if script is None else ["script=running", "script=exit 0"]),
    ]
    opened = [call.rsplit(" ", 1)[1] for call in node.calls("systemctl") if "enable --now foundrypf@" in call]
    assert opened == [f"foundrypf@{pair.external}.service" for pair in given_inputs.ports]
    elsewhere = {m.mount_point for m in given_inputs.mounts if m.mount_point != f"/mnt/{m.volume_name}"}
    elsewhere |= {disk.mount_point for disk in given_inputs.local_disks}
    assert {call.split()[-1] for call in node.calls("mount")} == elsewhere


RELAXED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def run_generated(count: int, stubs: Path, tmp_path: Path) -> None:
    """`count` generated names, mounts and user scripts: a stubbed run, `bash -n` and shellcheck for each."""
    texts: list[str] = []

    @settings(max_examples=count, database=None, **RELAXED)
    @given(any_inputs(OPAQUE), NAMES)
    def run(given_inputs: Inputs, name: str) -> None:
        texts.append(boot_generated(stubs, given_inputs, name))

    run()
    compressed = sum("gzip" in text for text in texts)
    figure(f"{len(texts)} generated scripts ran as meant, {compressed} of them compressed")
    assert len(texts) >= count
    lint(write_all(texts, tmp_path), drawn=True)


@pytest.mark.parametrize("image", ["tr", "cat", "bash"])
def test_an_image_that_is_called_like_a_command(stubs: Path, tmp_path: Path, image: str):
    lint(
        write_all(
            [boot_generated(stubs, inputs("#!@BIN@/keep\n", container_image=ContainerImage(image)), "train")], tmp_path
        )
    )


@pytest.mark.parametrize("share", ["do", "done", "then", "fi", "for"])
def test_a_share_that_is_called_like_a_word_of_bash(stubs: Path, tmp_path: Path, share: str):
    mount = Mount("vol_fedcba9876543210", f"/mnt/{share}", "File", share)
    lint(write_all([boot_generated(stubs, inputs("#!@BIN@/keep\n", mounts=[mount]), "train")], tmp_path))


def test_eight_generated_scripts(stubs: Path, tmp_path: Path):
    run_generated(8, stubs, tmp_path)


@pytest.mark.slow
def test_a_hundred_and_fifty_generated_scripts(stubs: Path, tmp_path: Path):
    run_generated(150, stubs, tmp_path)


@pytest.mark.slow
def test_two_thousand_generated_scripts(stubs: Path, tmp_path: Path):
    run_generated(2000, stubs, tmp_path)
