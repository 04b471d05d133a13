"""What options take: lengths of time, in words or in seconds; numbers; one of several words."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import click

from flowplan.model.durations import read_duration


class Duration(click.ParamType):  # type: ignore[type-arg]  # older releases of click cannot be subscripted
    """A length of time, refused where it is written, whether or not the command comes to need it. It stays text."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        read_duration(value, param.opts[0] if param is not None else self.name)
        return value


class Whole(click.IntRange):
    """A whole number within its range."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a whole number {_within(self)}.", param, ctx)


class Finite(click.FloatRange):
    """A number within its range: NaN, which no comparison finds outside of one, is not."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = math.nan
        with suppress(click.BadParameter):
            found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a number {_within(self)}.", param, ctx)
        return found


def _within(range: click.IntRange | click.FloatRange) -> str:
    return f"of {range.min} or more" if range.max is None else f"from {range.min} to {range.max}"


class Choice(click.Choice):  # type: ignore[type-arg]
    """One of several words. Of another one it says which of them was probably meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            from flowplan.diagnostics import looks_like  # what a mistake costs; most runs have none

            near = looks_like(str(value), self.choices)
            self.fail(f"{error.message} Did you mean {near!r}?" if near else error.message, param, ctx)
