"""What completes a word of the command line: the state here, what the API offers, the shell's own files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import CompletionItem

VARIABLE = "_FLOWPLAN_COMPLETE"  # what the scripts set: SHELL_complete


def _beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in names if name.startswith(incomplete) and name.isprintable()]


def _given(ctx: click.Context) -> Mapping[str, Any]:
    """The global options that stand in the line."""
    found: Mapping[str, Any] = ctx.find_root().obj or {}
    return found


def _directory(given: Mapping[str, Any]) -> Path:
    """Where --chdir leads."""
    from pathlib import Path

    return Path(given.get("chdir") or "")


def addresses(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Those of the state here, or of the --state that stands in the line."""
    from flowplan.operations.completion import addresses as kept

    given = _given(ctx)
    return _beginning(kept(_directory(given), os.environ, given.get("state")), incomplete)


def outputs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Those that the state here keeps, or the one of the --state that stands in the line."""
    from flowplan.operations.completion import outputs as kept

    given = _given(ctx)
    return _beginning(kept(_directory(given), os.environ, given.get("state")), incomplete)


def codes(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Those of messages, and the exit codes."""
    from flowplan.documents.explain import explanations

    return _beginning((one.name for one in explanations()), incomplete)


def types(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Those of the API that is meant here, as it was last seen."""
    from flowplan.operations.completion import types as known

    return _beginning(known(os.environ, _given(ctx).get("api_url")), incomplete)


def simulated_types(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Those of the simulator."""
    from flowplan.operations.completion import simulated_types as known

    return _beginning(known(), incomplete)


def regions(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Those of the API that is meant here, as it was last seen."""
    from flowplan.operations.completion import regions as known

    return _beginning(known(os.environ, _given(ctx).get("api_url")), incomplete)


def files(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell's own files."""
    return _item(incomplete, "file")


def directories(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell's own directories."""
    return _item(incomplete, "dir")


def _item(value: str, kind: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(value, type=kind)]


def hidden_options(params: Iterable[click.Parameter], incomplete: str) -> list[CompletionItem]:
    """The long names of options that help leaves out, where one was begun."""
    if not incomplete.startswith("--"):
        return []
    hidden = [one for one in params if isinstance(one, click.Option) and one.hidden]
    return _beginning((name for one in hidden for name in one.opts if name.startswith("--")), incomplete)
