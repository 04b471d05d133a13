"""Whose data --allow-volume-destroy gives up: nothing that it does not name exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.model.address import Address
from flowplan.planning.given_up import given_up, question
from tests.conftest import Place
from tests.texts import PAIR

NAMES = {"v": "v", "w": "stage-w", "x": "volume.w", "y": "twin", "z": "twin"}
VOLUMES = {Address("volume", one): name for one, name in NAMES.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v", "v"),
        ("volume.v", "v"),
        ("stage-w", "w"),
        ("w", ""),  # its name in the cloud is another, and an address says its kind
        ("volume.w", "x"),  # what is the name of one is never the address of another
        ("volume.x", "x"),
        ("twin", "y z"),  # both are called that
        ("volume.y", "y"),
        ("*", "v w x y z"),
        *((one, "") for one in ("", "V", "v ", " v", "v,w", "v*", "volume.*", "volume.", "bid.v", "task.v", "?", "**")),
        *((one, "") for one in ("Volume.v", "volume.v@g1", "volume.volume.v", "stage", "-w", "volume.stage-w")),
    ],
)
def test_what_a_word_gives_up(text: str, expected: str) -> None:
    assert given_up([text], VOLUMES) == {Address("volume", one) for one in expected.split()}


@given(st.text(alphabet="vwxyz.*,-volumestageig ", max_size=12))
def test_only_what_is_named_exactly_goes(text: str) -> None:
    """By the name, by the address, or all of them by a star alone."""
    for one in given_up([text], VOLUMES):
        assert text in ("*", VOLUMES[one], str(one))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("vv",), "the plan has no volume 'vv': did you mean v? there are: v"),
        (("volume.vw",), "the plan has no volume 'volume.vw': did you mean volume.v? there are: volume.v"),
        (("v,w",), "the plan has no volume 'v,w': the option takes one name, and may be given again; there are: v"),
        (
            ("vv", "wv"),
            "the plan has no volumes 'vv', 'wv': did you mean v for 'vv'? did you mean v for 'wv'? there are: v; ",
        ),
        (("twin", "stage-w"), ""),
        ((), ""),
    ],
)
def test_what_is_asked_about_another_word(asked: tuple[str, ...], said: str) -> None:
    found = question(asked, VOLUMES, [Address("volume", "v")])
    assert found.startswith(said) and bool(found) == bool(said)


@pytest.mark.parametrize("word", ["volume.dat", "date", "data,data", "olume.data", "d*"])
def test_a_destroy_with_another_word_deletes_nothing_and_asks(place: Place, word: str) -> None:
    place.write(PAIR)
    place.ok("apply", "--auto-approve")
    sent = len(place.ledger())
    refused = place.run("destroy", "--auto-approve", "--allow-volume-destroy", word)
    assert (refused.code, len(place.ledger())) == (3, sent)
    said = " ".join(f"{refused.out} {refused.err}".split())
    assert f"the plan has no volume '{word}': " in said, said
    assert "data" in said.partition(f"'{word}': ")[2].partition(";")[0] or "takes one name" in said
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "volume.data")
    assert place.ok("state", "list") == ""


SWEEP = """version: 2
project_name: my-foundry-project
volumes:
  scratch: {for_each: [KEYS], size: 1, region_id: us-central1-b}
"""


@pytest.mark.parametrize("many", [True, False], ids=["of many volumes", "of three"])
def test_whose_data_would_go_is_said_of_the_first_of_many_and_what_to_type_for_all(place: Place, many: bool) -> None:
    keys = [f"p{n}" for n in range(12 if many else 3)]
    place.write(SWEEP.replace("KEYS", ", ".join(keys)))
    place.ok("apply", "--auto-approve")
    refused = place.run("destroy", "--auto-approve")
    said = " ".join(refused.err.split())
    assert (refused.code, said.count("destroys the data on volume"), said.count("hint:")) == (
        3,
        *[1 if many else 3] * 2,
    )
    each = "--allow-volume-destroy scratch-p0, and so for each of the 11 others, or '*' for all; to keep it:"
    assert (each in said, 'and 11 more of this kind: volume.scratch["p1"] … ["p11"]' in said) == (many, many), said
    shown = place.run("--verbose", "destroy", "--auto-approve").err
    assert shown.count("destroys the data on") == len(keys)
    told = [part for one in keys[:-1] for part in ("--allow-volume-destroy", f"scratch-{one}")]
    left = " ".join(place.run("destroy", "--auto-approve", *told).err.split())
    assert left.count("destroys the data on volume") == 1 and f"--allow-volume-destroy scratch-{keys[-1]}; to" in left
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert place.ok("state", "list") == ""
