"""What the options of `plan`, `apply` and `destroy` ask for: each is read here, whichever command it is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowplan.cli import values

if TYPE_CHECKING:
    from flowplan.operations.proposing.request import Request


def read_request(given: Mapping[str, Any], **more: Any) -> Request:
    """`given`: the values of a command's options, by their names; one that it lacks is not given. `more`: what else the
    request has. Raises UsageProblem for a value that cannot be read."""
    from flowplan.operations.proposing.request import Request

    get = given.get
    return Request(
        paths=given["paths"],
        keep_volumes=get("keep_volumes", False),
        refresh_only=get("refresh_only", False),
        refresh=not get("no_refresh"),
        what_if=values.what_if_hours(get("what_if")),
        patterns=values.patterns(given["target"], given["exclude"], get("replace", ())),
        destroyable=frozenset(given["allow_volume_destroy"]),
        hours=values.hours(get("horizon")),
        budgets=values.budgets(
            get("max_hourly_cost"), get("max_cost_increase"), get("budget_basis"), get("max_changes")
        ),
        policies=given["policies"],
        hooks=not given["no_hooks"],
        scripts=get("show_scripts", False),
        **{"destroy": get("destroy", False), **more},
    )
