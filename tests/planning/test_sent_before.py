"""What runs was placed by some flowplan: what that one sent of the same files is no difference, however a later one
would send it."""

from __future__ import annotations

import json

import attrs
import pytest

from flowplan.model.resources import ContainerImage, Inputs, LocalDisk, PortPair, Script
from flowplan.planning.differences import differences
from tests.builders import bid, marked
from tests.conftest import Place, many

# A script with LF and, in a text of its own, CRLF; and its digests in markers of flowplans that made LF of it.
SCRIPT = "#!/bin/bash\nnc host 80 <<E\nGET / HTTP/1.0\r\n\r\nE\n"
FILE = Inputs(Script.of(SCRIPT), (PortPair(8080, 8080),), (), (LocalDisk("/dev/vdc", "/scratch"),))
SECRET = attrs.evolve(FILE, container_image=ContainerImage("nginx", None, "-e HF_TOKEN=abcdefgh -p 80:80"))
BEFORE = {
    "a2fd660532b20fe024428fb01a9495b8ab8d3701a228f94b4d66e254c7e5e1db": FILE,
    "ae9ce8771c3809b8dc6bad7ef1562eeee2101a44e27dc7d08f4462188884feac": SECRET,
}


def older(inputs: Inputs) -> Inputs:
    """As a flowplan before read them of the same file."""
    return attrs.evolve(inputs, startup_script=Script.of(SCRIPT.replace("\r\n", "\n")))


def stored(inputs: Inputs) -> Inputs:
    """As the state gives them back: without the text, masked."""
    script = inputs.startup_script
    assert script is not None
    return attrs.evolve(inputs, startup_script=Script(script.sha256, script.size)).shown


@pytest.mark.parametrize(("digest", "now"), BEFORE.items(), ids=["plain", "with an image"])
def test_a_script_that_was_sent_with_lf_replaces_nothing(digest: str, now: Inputs) -> None:
    assert older(now).sha256 == digest
    by_marker = Inputs(ports=now.ports, given_sha256=digest)
    for known in (by_marker, stored(older(now)), attrs.evolve(stored(older(now)), ports=now.ports[::-1])):
        assert differences(bid(inputs=known), bid(inputs=now)) == ()
        assert differences(bid(inputs=now), bid(inputs=known)) == ()
    assert now.spelled_as(by_marker).sha256 == digest
    assert now.spelled_as(marked(now)).sha256 == now.sha256
    assert now.spelled_as(now) == now


@pytest.mark.parametrize("now", BEFORE.values(), ids=["plain", "with an image"])
def test_what_else_differs_is_told_alone(now: Inputs) -> None:
    other = attrs.evolve(now, ports=(PortPair(9090, 9090),))
    for known in (marked(older(now)), stored(older(now))):
        found = differences(bid(inputs=known), bid(inputs=other))
        assert [one.name for one in found] == ["ports"] and found[0].forces


@pytest.mark.parametrize("script", [SCRIPT.replace("GET", "PUT"), SCRIPT.replace("\r\n", "\r"), SCRIPT + "\r\n", "x"])
def test_another_script_is_another(script: str) -> None:
    other = attrs.evolve(FILE, startup_script=Script.of(script))
    assert [one.name for one in differences(bid(inputs=stored(older(FILE))), bid(inputs=other))] == ["startup_script"]
    assert [one.name for one in differences(bid(inputs=marked(older(FILE))), bid(inputs=other))] == ["inputs"]


@pytest.mark.parametrize("also", ["", "price", "state"])
def test_a_bid_of_an_older_flowplan_runs_on(place: Place, also: str) -> None:
    text = many(1) + "startup_script_file: train.sh\n"
    place.write(text)
    (place.path / "train.sh").write_bytes(SCRIPT.replace("\r\n", "\n").encode())
    place.ok("apply", "--auto-approve")
    (place.path / "train.sh").write_bytes(SCRIPT.encode())
    if also == "price":
        place.edit("17.92", "18.40")
        assert "forces" not in place.ok("apply", "--auto-approve")
    if also == "state":
        for name in ("flowplan.state.json", "flowplan.state.json.backup", "flowplan.state.journal"):
            (place.path / name).unlink(missing_ok=True)
        place.ok("recover", "--from-live")
    assert place.run("plan", "--detailed-exitcode").code == 0
    place.ok("apply", "--auto-approve")
    assert place.run("plan", "--detailed-exitcode").code == 0
    rows = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    assert len(rows) == 1


# ---- what is masked in the state ------------------------------------------------------------------------------------


def test_options_with_a_secret_in_another_spelling_are_the_same() -> None:
    disks = (LocalDisk("/dev/vdd", "/b"), *SECRET.local_disks)
    before = attrs.evolve(SECRET, local_disks=disks)
    image = ContainerImage("nginx", None, "-e  'HF_TOKEN=abcdefgh'  -p 80:80")
    now = attrs.evolve(SECRET, local_disks=disks[::-1], container_image=image)
    assert differences(bid(inputs=stored(before)), bid(inputs=now)) == ()
    assert differences(bid(inputs=now), bid(inputs=stored(before))) == ()


@pytest.mark.parametrize(
    "image",
    [
        ContainerImage("nginx", None, "-e HF_TOKEN=abcdefgi -p 80:80"),
        ContainerImage("nginx", None, "-p 80:80 -e HF_TOKEN=abcdefgh"),
        ContainerImage("nginx", "https://kim:pw@h/x", "-e HF_TOKEN=abcdefgh -p 80:80"),
    ],
)
def test_other_options_are_another_image(image: ContainerImage) -> None:
    other = attrs.evolve(SECRET, container_image=image)
    assert [one.name for one in differences(bid(inputs=stored(SECRET)), bid(inputs=other))] == ["container_image"]


def test_another_password_of_a_context_is_a_difference_though_neither_is_shown() -> None:
    one, other = (
        attrs.evolve(FILE, container_image=ContainerImage("nginx", f"https://kim:{word}@h/x", "-e  A=1"))
        for word in ("one", "two")
    )
    assert differences(bid(inputs=stored(one)), bid(inputs=other))


def test_the_digest_that_is_kept_is_the_one_in_the_marker(place: Place) -> None:
    """After a change in place with the options spelled in another way: else the next apply would replace the bid."""
    image = "container_image: {image_name: nginx, run_options: '-e HF_TOKEN=CANARY0123456789'}\n"
    place.write(many(1) + image)
    place.ok("apply", "--auto-approve")
    place.write(many(1, price="18.40") + image.replace("-e ", "-e  "))
    assert "forces" not in place.ok("apply", "--auto-approve")
    assert place.run("plan", "--detailed-exitcode").code == 0
