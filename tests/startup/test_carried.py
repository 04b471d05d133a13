"""The user's script is found again in every form of what is sent; anything else is unknown, never a guess."""

from __future__ import annotations

import base64
import random
import re

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from flowplan.model.address import Address
from flowplan.model.live import Marker
from flowplan.model.resources import Inputs, PortPair, Script
from flowplan.startup import script
from flowplan.startup.carried import user_script

LONG = "#!/bin/bash\n" + "".join(f"echo {n} of the lines that make it too long\n" for n in range(1000))


def sent(inputs: Inputs) -> str:
    marker = Marker.of(inputs, stack="s", lineage="l" * 36, address=Address("bid", "a"), generation=1, intent="i" * 16)
    return script.render(inputs, marker)


@pytest.mark.parametrize(
    "text", ["x", "#!/bin/bash\nnvidia-smi\n", "a\r\nb\n\n", "\N{SNOWMAN}\x00\x1b", "END\n'END'\n", LONG]
)
def test_it_is_the_script_that_was_given(text: str) -> None:
    made = sent(Inputs(startup_script=Script.of(text), ports=(PortPair(80, 80),)))
    found = user_script(made)
    assert found == Script.of(text)
    assert found is not None and found.text == text


@given(st.text(min_size=1))
def test_any_text_comes_back(text: str) -> None:
    try:
        wanted = Script.of(text)
    except UnicodeEncodeError:
        return
    found = user_script(sent(Inputs(startup_script=wanted)))
    assert found is not None and found.text == text


def test_without_one_there_is_none() -> None:
    assert user_script(sent(Inputs(ports=(PortPair(80, 80),)))) is None


@pytest.mark.parametrize("text", ["#!/bin/bash\nnvidia-smi\n", LONG], ids=["inline", "packed"])
def test_what_was_damaged_is_unknown(text: str) -> None:
    made = sent(Inputs(startup_script=Script.of(text)))
    packed = max((line for line in made.split("\n") if re.fullmatch("[A-Za-z0-9+/=]+", line)), key=len)
    for wrong in (packed[: len(packed) // 2], packed[::-1], "", "A" * len(packed), packed[4:]):
        assert user_script(made.replace(packed, wrong)) is None
    assert user_script(made.replace("sha256=", "sha257=")) is None


@pytest.mark.parametrize(
    "found", ["", "#!/bin/bash\necho\n", "sha256=" + "0" * 64, f"sha256={'0' * 64}\nsize=99999999"]
)
def test_what_somebody_else_sent_is_unknown(found: str) -> None:
    assert user_script(found) is None


def test_what_unpacks_without_end_is_unknown() -> None:
    import gzip

    bomb = base64.b64encode(gzip.compress(bytes(50_000_000))).decode()
    made = f"size=16000000\nsha256={'0' * 64}\nbase64 -d <<'END' | gzip -dc >x\n{bomb}\nEND\n"
    assert user_script(made) is None


def test_of_random_bytes_nothing_is_made() -> None:
    noise = base64.b64encode(random.Random(1).randbytes(3000)).decode()
    made = sent(Inputs(startup_script=Script.of("a")))
    assert user_script(evolve(Script.of("a")).sha256 + made.replace("YQ==", noise)) is None
