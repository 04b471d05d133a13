"""What is proposed for a type that does not exist: what was meant, and never another GPU or more of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.config.keys import HOMES, MEANINGS, STACK
from flowplan.model.catalogue import InstanceType
from flowplan.model.near_types import meaning, type_hint
from flowplan.model.type_names import find_types, read_type_name

TYPES = (
    *(InstanceType(f"it_a{n}", f"a100-80gb.sxm.{n}x", "A100", n, 80, "SXM4") for n in (1, 2, 4, 8)),
    *(InstanceType(f"it_b{n}", f"b200-192gb.{n}x", "B200", n, 192) for n in (1, 8)),
    InstanceType("it_h8", "h100-80gb.sxm.8x", "H100", 8, 80, "SXM5"),
    InstanceType("it_h9", "h200.8x", "H200", 8, 141),
    InstanceType("it_l1", "l40s.1x", "L40S", 1, 48, "PCIe"),
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("h100x8", "did you mean 8xh100?"),
        ("H100x8", "did you mean 8xh100?"),
        ("8h100", "did you mean 8xh100?"),
        ("8xh100x", "did you mean 8xh100?"),
        ("h100-8x", "did you mean 8xh100?"),
        ("8*h100", "did you mean 8xh100?"),
        ("nvidia-h100-8", "did you mean 8xh100?"),
        ("h100.8x.SXM6.IB", "did you mean h100-80gb.sxm.8x?"),
        ("8xH100-SXM5", "did you mean h100-80gb.sxm.8x?"),
        ("h100-80gb.sxm.8", "did you mean h100-80gb.sxm.8x?"),
        ("h100.3x", "H100 is offered as h100-80gb.sxm.8x"),
        ("h100", "H100 is offered as h100-80gb.sxm.8x"),
        ("a100-40gb.8x", "A100 is offered as a100-80gb.sxm.1x, a100-80gb.sxm.2x, a100-80gb.sxm.4x, a100-80gb.sxm.8x"),
        ("l40s:2", "L40S is offered as l40s.1x"),
        *((none, "there are: A100, B200, H100, H200, L40S; `flowplan market` lists their sizes")
          for none in ("v100", "a10", "h10", "gb200", "l40", "h1000", "p4d.24xlarge", "8x", "it_none", "")),
    ],
)  # fmt: skip
def test_what_is_meant_is_proposed(text: str, says: str) -> None:
    assert type_hint(text, TYPES) == says


def test_without_types_nothing_is_proposed() -> None:
    assert type_hint("h100x8", ()) is None


@given(
    st.text("habl0124x8sgb.-: *", max_size=14)
    | st.from_regex(r"[0-9]{0,2}x?[ahbl][0-9]{2,3}s?x?[0-9]?", fullmatch=True)
)
def test_a_proposal_exists_and_is_of_the_gpu_and_number_that_were_written(text: str) -> None:
    found = re.fullmatch(r"did you mean (\S+)\?", type_hint(text, TYPES) or "")
    if found is None:
        return
    means = meaning(text)
    assert means is not None
    kinds = find_types(read_type_name(found[1]), TYPES)
    assert kinds
    for kind in kinds:
        assert kind.gpu_type.lower() == means.gpu
        assert kind.gpu_type.lower() in text.lower()
        assert str(kind.gpus) in text


def test_what_a_key_means_is_said_only_of_keys_that_there_are_not() -> None:
    assert not [key for key in MEANINGS if key in HOMES or key in STACK]
    named = {word for hint in MEANINGS.values() for word in re.findall(r"([a-z_]{4,}): [{0-9]", hint)}
    assert named <= set(HOMES)
