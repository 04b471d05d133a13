"""The marker, by which a bid is known again: written, read back, and refused."""

from __future__ import annotations

import subprocess
import sys
import time

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.model.address import Address
from flowplan.model.live import Marker
from flowplan.model.resources import Mount, PortPair
from flowplan.startup import marker as markers
from tests.startup.node import BLOCK, EXAMPLE_PORTS, FILE, HELLO, WORDS, figure, inputs, marked, port_pairs, rendered

MARKERS = st.builds(
    Marker,
    stack=WORDS,
    lineage=st.text(st.characters(max_codepoint=126), max_size=20),
    address=st.builds(Address, st.sampled_from(["bid", "volume", "ports"]), WORDS.filter(bool)),
    generation=st.integers(0, 10**10 - 1),
    intent=st.text(st.characters(max_codepoint=126), max_size=20),
    inputs=st.binary(min_size=32, max_size=32).map(bytes.hex),
    ports=port_pairs(),
    mounts=st.lists(st.builds(Mount, WORDS, WORDS), max_size=4).map(tuple),
)


def test_the_marker_is_one_line_of_percent_encoded_fields():
    address = Address("bid", 'train["a b"]')
    assert markers.line(marked(inputs(HELLO, EXAMPLE_PORTS, [Mount("vol_1", "/mnt/a,b:c"), FILE]), address)) == (
        "# flowplan:1 stack=llm lineage=5f0c6a52-8c1e-4c37-9e9b-2f0d7c1e8a11 address=bid.train%5B%22a%20b%22%5D "
        "generation=1 intent=b7e23ec29af22b0b4e41da31e868d572 "
        "inputs=0eb8f1c8f57b9ee6a8bd20a2ee5d0b4d5d05c1d9e8d8b9f8c9c5d4a8a1b0b1a4 "
        "ports=8080,6006-6010,8441-8445:8001-8005 mounts=vol_1:/mnt/a%2Cb%3Ac,vol_fedcba9876543210:/mnt/shared"
    ).replace(
        "0eb8f1c8f57b9ee6a8bd20a2ee5d0b4d5d05c1d9e8d8b9f8c9c5d4a8a1b0b1a4",
        inputs(HELLO, EXAMPLE_PORTS, [Mount("vol_1", "/mnt/a,b:c"), FILE]).sha256,
    )


@given(MARKERS, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_marker_is_read_back_as_it_was(marker: Marker, newline: str, more: bool):
    line = markers.line(marker)
    assert line.isascii() and len(line.splitlines()) == 1 and len(line.split()) == 10
    assert markers.read(newline.join(["#!/bin/bash", line, "echo"] if more else ["", line])) == marker


@given(st.text() | st.builds("#!/bin/bash\n# flowplan:1 {}".format, st.text()))
def test_any_text_can_be_asked_for_a_marker(text: str):
    markers.read(text)


@given(MARKERS, st.data())
def test_a_damaged_marker_is_another_marker_or_none(marker: Marker, data: st.DataObject):
    line = markers.line(marker)
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(line)), st.integers(0, len(line)))))
    damaged = line[:start] + data.draw(st.text(max_size=5)) + line[end:]
    found = markers.read(f"#!/bin/bash\n{damaged}\n")
    assert found is None or isinstance(found, Marker)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("#!/bin/bash\n", ""),  # on line 1
        ("#!/bin/bash\n", "#!/bin/bash\n\n"),  # on line 3
        ("flowplan:1", "flowplan:2"),
        ("flowplan:1", "flowplan"),
        ("# flowplan", "flowplan"),
        (" stack=llm", ""),
        (" stack=llm", " stack=llm stack=llm"),
        (" stack=llm", " stack"),
        ("stack=llm", "stack=%ff"),  # not UTF-8
        ("address=bid.", "address=task."),
        ("generation=1", "generation=-1"),
        ("generation=1", "generation=" + "1" * 5000),
        ("generation=1", "generation=\N{SUPERSCRIPT TWO}"),
        ("inputs=", "inputs=g"),
        ("ports=8080", "ports=0"),
        ("ports=8080", "ports=65536"),
        ("ports=8080", "ports=8080:"),
        ("ports=8080", "ports=9-8"),
        ("ports=8080", "ports=8-9:1-3"),
        ("ports=8080", "ports=" + ",".join(["1-65535"] * 2)),
        ("ports=8080", "ports=8080,"),
        ("mounts=vol", "mounts=a,vol"),
        ("mounts=vol", "mounts=a:b:vol"),
    ],
)
def test_what_is_no_marker_of_version_1_on_line_2_is_none(old: str, new: str):
    text = f"#!/bin/bash\n{markers.line(marked(inputs(HELLO, EXAMPLE_PORTS, [BLOCK])))}\n"
    assert markers.read(text) is not None
    assert old in text
    assert markers.read(text.replace(old, new, 1)) is None


def test_fields_of_a_later_flowplan_are_ignored():
    marker = marked(inputs(HELLO, EXAMPLE_PORTS, [BLOCK]))
    assert markers.read(f"\n{markers.line(marker)} colour=red\n") == marker


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mounts", (Mount(Address("volume", "data"), "/mnt/data"),)),
        ("ports", (PortPair(53, 53, "udp"),)),
        ("ports", (PortPair(0, 80),)),
        ("inputs", "abc"),
        ("inputs", "A" * 64),
        ("generation", -1),
        ("lineage", "L" * 65),
        ("intent", " " * 22),
    ],
)
def test_what_a_marker_cannot_hold_is_refused(field: str, value: object):
    with pytest.raises(ValueError, match=r"."):
        markers.line(attrs.evolve(marked(inputs()), **{field: value}))


@pytest.mark.timed
def test_ten_thousand_markers_are_read_in_less_than_150_ms():
    texts = []
    for n in range(10_000):
        ports = [*EXAMPLE_PORTS, PortPair(10_000 + n, 10_000 + n)]
        texts.append(rendered(inputs(HELLO, ports, [Mount(f"vol_{n:016}", f"/mnt/v{n}")])))
    spent = []
    for _ in range(3):
        markers._run.cache_clear()
        start = time.process_time()
        for text in texts:
            markers.read(text)
        spent.append(time.process_time() - start)
    figure(f"10,000 markers of 12 ports: {min(spent) * 1000:.0f} ms")
    assert min(spent) < 0.3  # the goal is 150 ms; twice that, for machines under load


def test_reading_markers_and_checking_lengths_imports_no_template_library():
    program = (
        "import sys\n"
        "from flowplan.startup import marker, script\n"
        "from flowplan.model.address import Address\n"
        "from flowplan.model.resources import Inputs, Script\n"
        "assert script.check(Inputs(Script.of('echo')), Address('bid', 'a'), 's') is None\n"
        "print(sorted({'jinja2', 'gzip', 'requests', 'importlib.resources'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
