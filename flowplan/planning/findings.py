"""What a look-up finds wrong, in the order in which it is found: each at its place in the file."""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve

from flowplan.config import Config
from flowplan.diagnostics import Diagnostic, Position, candidates
from flowplan.model.address import Address


class Findings:
    """The problems of `config` that only the cloud shows."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.problems: list[Diagnostic] = []

    def say(
        self,
        address: Address,
        field: str,
        summary: str,
        hint: str | None = None,
        at: Position | None = None,
        also: tuple[tuple[str, Position], ...] = (),
        *,
        code: str,
    ) -> None:
        """Note a problem of a field, or of what stands `at` a place more exact than that."""
        problem = evolve(self.config.problem(address, field, summary, hint, code=code), also=also)
        if at is not None:
            problem = evolve(problem, position=at, source=self.config.source_line(at))
        self.problems.append(problem)

    def by_resource(self) -> dict[str | None, tuple[Diagnostic, ...]]:
        """The problems of each resource, by its address as text."""
        found: dict[str | None, list[Diagnostic]] = {}
        for one in self.problems:
            found.setdefault(one.about, []).append(one)
        return {about: tuple(problems) for about, problems in found.items()}

    def unknown_region(self, address: Address, region: str, regions: Collection[str]) -> None:
        """Note that `region` is none of those that there are."""
        hint = candidates(region, regions)
        self.say(address, "region", f"there is no region {region}", hint, code="region-unknown")
