"""flowplan apply."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from flowplan.cli import Command, options
from flowplan.cli.destroy import addresses_in
from flowplan.errors import GuardRefused, UsageProblem
from flowplan.files.regular import opened
from flowplan.printable import Secret

if TYPE_CHECKING:
    from flowplan.model.budget import Budget, BudgetBasis

PLAN_LIMIT = 256 * 1024 * 1024  # bytes


@click.command(cls=Command)
@options.paths
@options.replace
@options.applying
@click.option("--expect", metavar="SHA256", help="The digest the saved plan must have.")
@click.pass_context
def apply(
    ctx: click.Context,
    /,
    paths: tuple[str, ...],
    replace: tuple[str, ...],
    allow_volume_destroy: tuple[str, ...],
    expect: str | None,
    max_hourly_cost: str | None,
    max_cost_increase: str | None,
    budget_basis: BudgetBasis | None,
    **how: Any,
) -> int:
    """Make what is live match the configuration.

    PATHs are task files or directories; none means flowplan.yaml. Shows the plan and asks; only 'yes' is
    accepted. A single PATH that is a saved plan is carried out exactly, without asking, or refused.

    \b
    Exit codes: 0 done; 1 failed, or not approved; 3 refused by a guard, or a
    stale plan; 4 locked; 5 the state; 6 a create's outcome is unknown;
    65 problems in the configuration; 130, 143 stopped by a signal, state saved.
    """
    from flowplan.operations.apply import How, Run
    from flowplan.operations.settings import Session
    from flowplan.planning.plan import Wishes

    session = Session.of(ctx)
    budgets = options.budgets(max_hourly_cost, max_cost_increase, budget_basis)
    proven = False
    saved = saved_plan(paths)
    if expect is not None and saved is None:
        raise UsageProblem("--expect goes with a saved plan", hint="flowplan apply PLANFILE --expect SHA256")
    if saved is not None:
        hold_expected(saved, expect)
        key = options.plan_key(session.environ)
        hold_signed(saved, key)
        proven = expect is not None or key is not None
        paths = tuple(saved["stack"]["paths"])
    destroying = saved is not None and saved["mode"] == "destroy"
    sources, scope = session.sources(paths, optional=destroying)
    config = None if destroying else session.configuration(sources)
    declared = addresses_in(sources) if destroying else set()
    wishes = Wishes(
        mode="destroy" if destroying else "apply",
        replace=options.addresses(replace, "--replace") | saved_replacements(saved),
        # A permission in a file that anybody could have edited is none.
        destroyable=frozenset(allow_volume_destroy) | (saved_destroyable(saved) if proven else frozenset()),
        in_scope=lambda binding: scope.covers(binding) or binding.address in declared,
        files=scope,
    )
    budgets += (*saved_budgets(saved), *(config.budgets if config is not None else ()))
    return Run(session, config, wishes, How(**how), saved, budgets)()


def saved_plan(paths: tuple[str, ...]) -> dict[str, Any] | None:
    """The saved plan that the single PATH is, or None for a configuration. Raises GuardRefused for a file
    that is a plan but not a whole one."""
    if len(paths) != 1:
        return None
    try:
        with opened(paths[0]) as file:
            start = file.read(4096)
            if not start.lstrip().startswith(b"{"):
                return None
            data = start + file.read(PLAN_LIMIT)
    except OSError:  # no regular file, or a name that is too long: reading it as a configuration says so
        return None
    return read_plan(data, paths[0])


def read_plan(data: bytes, name: str) -> dict[str, Any] | None:
    """A plan document, checked; None for JSON that is none (a task file may be written in JSON)."""
    from flowplan import __version__
    from flowplan.documents.plan import FORMAT_VERSION, digest_of
    from flowplan.documents.plan_shape import misfit
    from flowplan.state.codec import no_constant, no_duplicates

    try:
        body = json.loads(data, object_pairs_hook=no_duplicates, parse_constant=no_constant)
        digest = digest_of(body) if isinstance(body, dict) else ""
    except (ValueError, RecursionError):
        if b'"format_version"' in data[:200]:
            raise _not_valid(name, "it is cut off, or was edited") from None
        return None
    if not isinstance(body, dict) or "format_version" not in body:
        return None
    if body["format_version"] != FORMAT_VERSION or body.get("flowplan_version") != __version__:
        raise _not_valid(name, f"it was made by flowplan {body.get('flowplan_version')}; this is {__version__}")
    if body.get("sha256") != digest:
        raise _not_valid(name, "its digest does not match its content")
    if why := misfit(body):
        raise _not_valid(name, why)
    return body


def _not_valid(name: str, why: str) -> GuardRefused:
    return GuardRefused(f"{name} is not a valid plan: {why}", reason="invalid_plan", hint="plan again")


def hold_expected(saved: dict[str, Any], expect: str | None) -> None:
    """Raise GuardRefused unless the plan is the one that was approved, and may be applied at all."""
    if expect is not None and saved["sha256"] != expect.lower():
        raise GuardRefused(
            f"this plan has the digest {saved['sha256']}, not the expected one",
            reason="unexpected_plan",
            hint="apply the plan that was approved, or approve this one",
        )
    if saved["errored"]:
        errors = [(one["summary"], one["detail"]) for one in saved["diagnostics"] if one["severity"] == "error"]
        why, reason = errors[0] if errors else ("it does not say why", None)
        raise GuardRefused(f"this plan was refused: {why}", reason=reason or "errored")


def hold_signed(saved: dict[str, Any], key: Secret | None) -> None:
    """Raise GuardRefused unless the plan was made by somebody who has the key, where there is one."""
    import hmac

    from flowplan.documents.plan import mac_of

    if key is None:
        return
    given, right = saved.get("hmac_sha256"), mac_of(saved, key.reveal().encode())
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), right.encode()):
        raise GuardRefused(
            f"this plan is not signed with the key in {options.PLAN_KEY}; nothing was done",
            reason="unsigned_plan" if given is None else "tampered_plan",
            hint="plan again, where the key is set",
        )


def saved_replacements(saved: dict[str, Any] | None) -> frozenset[Any]:
    """What was replaced by request: planning again must request it again."""
    from flowplan.model.address import Address

    changes = saved["resource_changes"] if saved else ()
    return frozenset(Address.parse(o["address"]) for o in changes if o["action_reason"] == "replace_by_request")


def saved_budgets(saved: dict[str, Any] | None) -> tuple[Budget, ...]:
    """What the command line allowed when the plan was saved. What files allow is read again from them."""
    from flowplan.model.budget import Budget, dollars, increase

    found = []
    for one in saved["cost"]["guards"] if saved else ():
        if one["source"] is None and one["guard"] == "max_hourly_cost":
            found.append(Budget(max_hourly_cost=dollars(one["limit"]), basis=one["basis"]))
        elif one["source"] is None:
            found.append(Budget(max_cost_increase=increase(one["limit"]), basis=one["basis"]))
    return tuple(found)


def saved_destroyable(saved: dict[str, Any] | None) -> frozenset[str]:
    """Volumes whose destruction the plan holds: it would not be applicable had it not been allowed."""
    changes = saved["resource_changes"] if saved else ()
    return frozenset(
        one["change"]["before"]["name"]
        for one in changes
        if one["type"] == "volume" and "delete" in one["change"]["actions"]
    )
