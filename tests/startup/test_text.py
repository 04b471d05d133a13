"""The text of a startup script: its bytes, its length before ids are known, and what is refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.errors import ConfigError
from flowplan.model.address import Address
from flowplan.model.live import Marker
from flowplan.model.resources import ContainerImage, Ends, Inputs, LocalDisk, Mount, PortPair, Script
from flowplan.startup import marker as markers
from flowplan.startup import script as scripts
from tests.conftest import examples
from tests.startup.node import (
    BLOCK,
    EVERYTHING,
    EXAMPLE,
    EXAMPLE_PORTS,
    HELLO,
    NAMES,
    STACK,
    TRAIN,
    WORDS,
    any_inputs,
    figure,
    incompressible,
    inputs,
    long,
    marked,
    rendered,
)

GOLDEN = Path(__file__).parent / "golden.sh"


def test_golden(request: pytest.FixtureRequest):
    """Everything at once, as sent. `--accept` writes it again."""
    text = rendered(EVERYTHING)
    if request.config.getoption("--accept", default=False):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_the_same_input_gives_the_same_bytes_in_another_process():
    texts = [rendered(EXAMPLE), rendered(inputs(long(), EXAMPLE_PORTS, [BLOCK]))]
    program = f"import sys; sys.path[:0] = {sys.path!r}\nfrom tests.startup import node as t\n" + (
        "long = t.rendered(t.inputs(t.long(), t.EXAMPLE_PORTS, [t.BLOCK]))\n"
        "sys.stdout.write(t.rendered(t.EXAMPLE) + long)\n"
    )
    environ = {**os.environ, "PYTHONHASHSEED": "7"}
    result = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert result.stdout == "".join(texts)


def test_line_1_is_the_shebang_and_line_2_the_marker_in_both_forms():
    for given_inputs in (EXAMPLE, inputs(long(), EXAMPLE_PORTS, [BLOCK])):
        text = rendered(given_inputs)
        assert text.startswith("#!/bin/bash\n# flowplan:1 ")
        assert markers.read(text) == marked(given_inputs)


def test_what_fits_is_inline_what_does_not_is_compressed_what_still_does_not_is_refused():
    sizes = {}
    for size in range(0, 12_000, 60):
        given_inputs = inputs(incompressible(size), EXAMPLE_PORTS, [BLOCK])
        try:
            text = rendered(given_inputs)
        except ConfigError as error:
            (problem,) = error.problems
            assert re.search(r"[\d,]{6} characters, 10,\d\d\d compressed; .* at most 10,000", problem.summary)
            assert problem.code == "script-too-long" and problem.hint
            assert scripts.check(given_inputs, TRAIN, STACK) is not None
            sizes["refused"] = size
            break
        assert len(text) <= scripts.LIMIT
        sizes["compressed" if "gzip" in text else "inline"] = size
    figure(f"user's script with 11 ports and a Block mount, incompressible: {sizes}")
    assert list(sizes) == ["inline", "compressed", "refused"]


def test_a_script_too_long_is_found_before_ids_are_known_with_both_sizes():
    planned = inputs(incompressible(12_000), EXAMPLE_PORTS, [Mount(Address("volume", "data"), "/mnt/data")])
    problem = scripts.check(planned, TRAIN, STACK)
    assert problem is not None
    assert re.search(r"[\d,]{6} characters, 1\d,\d\d\d compressed", problem.summary)
    assert scripts.check(attrs.evolve(planned, startup_script=Script.of(HELLO)), TRAIN, STACK) is None


def measure(given_inputs: Inputs, address: Address, stack: str) -> int:
    """How many characters would be sent, at most."""
    inline, compressed = scripts._measured_forms(given_inputs, address, stack)
    return len(inline if compressed is None else compressed)


LONG = st.integers(0, 6000).map(incompressible)


@examples(30)  # each packs several long scripts
@given(any_inputs(LONG), NAMES, WORDS)
def test_the_upper_bound_is_one_and_measure_is_exact_but_for_the_marker(given_inputs: Inputs, name: str, stack: str):
    address = Address("bid", name)
    marker = Marker.of(
        given_inputs,
        stack=stack,
        lineage="L" * markers.LINEAGE_LENGTH,
        address=address,
        generation=10**markers.GENERATION_DIGITS - 1,
        intent="I" * markers.INTENT_LENGTH,
    )
    inline, compressed = scripts._forms(given_inputs, marker, "", scripts.PATIENCE)
    assert scripts.upper_bound(given_inputs, address, stack) >= len(inline)
    measured = measure(given_inputs, address, stack)
    assert measured == len(inline if compressed is None else compressed)
    if scripts.check(given_inputs, address, stack) is None:
        assert len(scripts.render(given_inputs, marker)) == measured <= scripts.LIMIT


@given(st.lists(st.from_regex(r"vol_[A-Za-z0-9]{16}", fullmatch=True), unique=True, max_size=5), LONG)
def test_a_length_measured_before_ids_are_known_holds_once_they_are(ids: list[str], text: str):
    mounts = [Mount(Address("volume", f"v{n}"), f"/mnt/v{n}") for n in range(len(ids))]
    planned = inputs(text, EXAMPLE_PORTS, mounts)
    known = inputs(text, EXAMPLE_PORTS, [attrs.evolve(m, volume=i) for m, i in zip(mounts, ids, strict=True)])
    if scripts.check(planned, TRAIN, STACK) is None:
        assert len(rendered(known)) <= scripts.LIMIT


@pytest.mark.parametrize("context", [None, "/"])
def test_the_upper_bound_holds_by_a_little_when_every_part_is_there(context: str | None):
    shortest = inputs(
        "",
        [PortPair(65534, 65535)],
        [Mount("v", "/a"), Mount("w", "/b", "File", "f")],
        local_disks=(LocalDisk("/dev/a", "/c"),),
        container_image=ContainerImage("i", context, "-d"),
        ends=Ends(1, 1, when_done=True),
    )
    spare = scripts.upper_bound(shortest, TRAIN, STACK) - measure(shortest, TRAIN, STACK)
    assert 0 <= spare < 250


def test_the_upper_bound_is_close_enough_to_spare_the_templates_for_usual_scripts():
    text = "echo 0123456789\n" * 120
    assert scripts.upper_bound(inputs(text, EXAMPLE_PORTS, [BLOCK]), TRAIN, STACK) <= scripts.LIMIT


@pytest.mark.parametrize(
    "unsafe",
    [
        inputs(mounts=[Mount("vol_1", "/mnt/a b")]),
        inputs(mounts=[Mount("vol_1", "/mnt/$(reboot)")]),
        inputs(mounts=[Mount("vol_1", "/mnt/a\nreboot")]),
        inputs(mounts=[Mount("vol_1", "mnt")]),
        inputs(mounts=[Mount("vol_1", "/")]),
        inputs(mounts=[Mount("vol_1", "/mnt/../etc")]),
        inputs(mounts=[Mount("vol_1", "/mnt/.")]),
        inputs(mounts=[Mount("vol_1", "/mnt//a")]),
        inputs(mounts=[Mount("../vol", "/mnt/a")]),
        inputs(mounts=[Mount("-vol", "/mnt/a")]),
        inputs(mounts=[Mount("", "/mnt/a")]),
        inputs(mounts=[Mount("vol_1", "/mnt/a", "File", "")]),
        inputs(mounts=[Mount("vol_1", "/mnt/a", "File", "../etc")]),
        inputs(mounts=[Mount("vol_0123456789abcdef1", "/mnt/a"), Mount("vol_0123456789abcdef2", "/mnt/b")]),
        inputs(local_disks=(LocalDisk("/etc/passwd", "/mnt/a"),)),
        inputs(local_disks=(LocalDisk("/dev/../etc/passwd", "/mnt/a"),)),
        inputs(local_disks=(LocalDisk("/dev/sdb", "a"),)),
        inputs(container_image=ContainerImage("--privileged")),
        inputs(container_image=ContainerImage("a b")),
        inputs(container_image=ContainerImage("a", "-f")),
        inputs(container_image=ContainerImage("a", "")),
        inputs(container_image=ContainerImage("a", "b\n")),
        inputs(container_image=ContainerImage("a", None, "-e 'open")),
        inputs(container_image=ContainerImage("a", None, "-e 'A=\nb'")),
        inputs(container_image=ContainerImage("a", None, "-e A=\0b")),
    ],
)
def test_values_that_could_reach_a_shell_are_refused(unsafe: Inputs):
    with pytest.raises(ConfigError) as caught:
        rendered(unsafe)
    assert [problem.code for problem in caught.value.problems] == ["unsafe-value"]
    assert scripts.check(unsafe, TRAIN, STACK) == caught.value.problems[0]


@pytest.mark.parametrize("pair", [PortPair(0, 80), PortPair(80, 65536), PortPair(53, 53, "udp")])
def test_ports_that_are_none_are_refused(pair: PortPair):
    problem = scripts.check(inputs(ports=[pair]), TRAIN, STACK)
    assert problem is not None
    assert problem.code == "unsafe-value"


def test_a_marker_that_says_something_else_is_refused():
    with pytest.raises(ValueError, match="not that of these inputs"):
        scripts.render(EXAMPLE, marked(inputs()))


def test_a_script_whose_text_is_not_known_or_another_is_refused():
    unknown = attrs.evolve(EXAMPLE, startup_script=attrs.evolve(EXAMPLE.startup_script, text=None))
    other = attrs.evolve(EXAMPLE, startup_script=attrs.evolve(EXAMPLE.startup_script, text="reboot"))
    for wrong in (unknown, other):
        with pytest.raises(ValueError, match="digest"):
            rendered(wrong)
