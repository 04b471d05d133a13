"""Rendered scripts pass shellcheck."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import attrs
import pytest

from flowplan.model.resources import ContainerImage, Ends, Inputs, PortPair, Script
from tests.startup import node
from tests.startup.node import BLOCK, EVERYTHING, EXAMPLE, FILE, HELLO, inputs, lint, long, rendered, write_all


def combinations() -> Iterator[Inputs]:
    """Every combination of parts."""
    plain, forwarded = (PortPair(80, 80),), (PortPair(80, 80), PortPair(81, 82))
    images = (None, ContainerImage("a"), ContainerImage("a", "."))
    for ports, disk, share, image, text in product(
        ((), plain, forwarded), (False, True), (False, True), images, (None, HELLO, long())
    ):
        mounts = [*([BLOCK] if disk else []), *([FILE] if share else [])]
        yield inputs(text, ports, mounts, container_image=image)


def test_rendered_scripts_pass_shellcheck(tmp_path: Path):
    compressed = attrs.evolve(EVERYTHING, startup_script=Script.of(long()))
    ending = [attrs.evolve(one, ends=Ends(90, None, when_done=True)) for one in (EXAMPLE, compressed, inputs(None))]
    some = [*ending, EXAMPLE, EVERYTHING, compressed, inputs(None), inputs(), *list(combinations())[::20]]
    lint(write_all([rendered(each) for each in some], tmp_path))


@pytest.mark.slow
def test_every_combination_of_parts_passes_shellcheck(tmp_path: Path):
    lint(write_all([rendered(each) for each in combinations()], tmp_path))


def test_a_script_that_keeps_shellcheck_busy_is_told_where_it_was_drawn_and_fails_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = tmp_path / "shellcheck"
    # The limit ends it once; from then on it ends itself as the limit would.
    busy.write_text(
        f'#!/bin/sh\ngrep -q endless "$3" || exit 0\ncd {tmp_path}; [ ! -e ended ] || kill -XCPU $$\n'
        "touch ended; while :; do :; done\n"
    )
    busy.chmod(0o755)
    monkeypatch.setattr(node, "SHELLCHECK", str(busy))
    monkeypatch.setattr(node, "MOST_CPU", 1)
    paths = write_all(["echo one\n", "echo endless\n"], tmp_path)
    lint(paths[::-1], drawn=True)
    assert "1 of 2 generated scripts kept shellcheck busy for 1 s" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="does not come to an end with echo endless"):
        lint(paths[::-1])
