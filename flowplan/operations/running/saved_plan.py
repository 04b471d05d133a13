"""What a saved plan asks for, once it is held to be the one that was approved."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

import attrs

from flowplan.config import Source
from flowplan.diagnostics import CODE_OF, Diagnostic, Position
from flowplan.errors import ConfigError, GuardRefused, UsageProblem
from flowplan.files.private import is_absent
from flowplan.model.selection import Patterns
from flowplan.operations.opening.paths import DEFAULT, has_no_file
from flowplan.operations.opening.settings import PLAN_KEY, Settings
from flowplan.secret import Secret

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Said
    from flowplan.documents.shapes.plan import PlanBody, SealedPlan
    from flowplan.model.address import Address
    from flowplan.model.budget import Budget
    from flowplan.operations.proposing.request import Request


def request_of(saved: SealedPlan, given: Request, expect: str | None, settings: Settings) -> Request:
    """The request that `saved` was made of, with what is `given` beside it: of its paths, sources that are read already
    stand for those of the plan that are called so. `expect`: the digest that it must have.
    Raises GuardRefused for a plan that is another one, was refused when it was made, is not signed where there is a
    key, or of which neither a signature nor `expect` is checked although one was meant to be."""
    hold_expected(saved, expect)
    key = settings.plan_key
    hold_signed(saved, key)
    sources = {one.name: one for one in given.paths if isinstance(one, Source)}
    hold_there(saved, settings, sources)
    if expect is None:
        hold_checked(saved, settings)
    proven = expect is not None or key is not None
    return attrs.evolve(
        given,
        paths=tuple(sources.get(path, path) for path in saved["stack"]["paths"]),
        destroy=saved["mode"] == "destroy",
        keep_volumes=keeps_volumes(saved),
        patterns=_patterns(saved, given.patterns),
        # A permission in a file that anybody could have edited is none.
        destroyable=given.destroyable | (saved_destroyable(saved) if proven else frozenset()),
        budgets=(*given.budgets, *saved_budgets(saved, proven=proven)),
        saved_policies=saved.get("policies", {}),
    )


def hold_expected(saved: SealedPlan, expect: str | None) -> None:
    """Raise GuardRefused unless the plan is the one that was approved, and may be applied at all."""
    if expect is not None and saved["sha256"] != expect.lower():
        raise GuardRefused(
            f"this plan has the digest {saved['sha256']}, not the expected one",
            code="unexpected-plan",
            hint="apply the approved plan, or approve this one",
        )
    if saved["errored"]:
        raise _refused([_said(one) for one in saved["diagnostics"] if one["severity"] == "error"])


def _refused(why: Sequence[Diagnostic]) -> GuardRefused:
    """What an apply of a plan comes to that was refused when it was made, for the reasons `why`."""
    said = "this plan was refused when it was made; nothing was done"
    if not why:
        return GuardRefused(f"{said}: the file gives no reason", code="errored", hint="plan again")
    return GuardRefused(said, code=why[0].code, hint="do that, then plan again", refusals=why, planned=False)


def _said(one: Said) -> Diagnostic:
    place = None if (found := one["source"]) is None else Position(found["file"], found["line"], found["column"])
    return Diagnostic(CODE_OF.get(one["detail"] or "", "errored"), one["summary"], one["hint"], position=place)


def hold_signed(saved: SealedPlan, key: Secret | None) -> None:
    """Raise GuardRefused unless the plan was made by somebody who has the key, where there is one."""
    import hmac

    from flowplan.documents.plan import mac_of

    if key is None:
        return
    given, right = saved.get("hmac_sha256"), mac_of(saved, key.reveal().encode())
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), right.encode()):
        raise GuardRefused(
            f"this plan is not signed with the key in {PLAN_KEY}; nothing was done",
            code="unsigned-plan" if given is None else "tampered-plan",
            hint="run flowplan plan again with the key set",
        )


def hold_there(saved: SealedPlan, settings: Settings, given: Container[str] = ()) -> None:
    """Raise ConfigError where the files that `saved` was made of are not here, but for those that are `given`: apply
    reads them again, and what one types to get files would make others."""
    paths = [path for path in saved["stack"]["paths"] or [DEFAULT] if path not in given]
    gone = [path for path in paths if is_absent(settings.directory / path)]
    if gone and saved["mode"] != "destroy":
        summary = f"this plan was made from {', '.join(gone)}, which {'is' if len(gone) == 1 else 'are'} not here"
        hint = "apply it in the directory where it was planned, or with --chdir: apply reads the files again"
        if any(map(has_no_file, gone)):
            hint = "give load() that dict again, in the program that applies it; the command line cannot apply it"
        raise ConfigError([Diagnostic("file-unreadable", summary, hint)])


def hold_checked(saved: SealedPlan, settings: Settings) -> None:
    """Raise GuardRefused for a plan of which a signature is meant to be checked, and cannot be."""
    if (why := unchecked(saved, settings)) is not None:
        raise GuardRefused(
            f"{why}; nothing was done",
            code="unchecked-plan",
            hint=f"set {PLAN_KEY} to the key that plans are signed with, or give --expect SHA256 with the digest of "
            "the plan that was approved",
        )


def unchecked(saved: SealedPlan, settings: Settings) -> str | None:
    """Why the signature that `saved` has, or was meant to have, is not checked; None: it is, or nobody signs here."""
    if settings.plan_key is not None:
        return None
    if settings.has_empty_plan_key:  # the signature of a plan that somebody has put in its place is gone
        return f"{PLAN_KEY} is empty, so whether this plan is signed with it cannot be checked"
    return f"this plan is signed, but {PLAN_KEY} is not set to check it" if "hmac_sha256" in saved else None


def _patterns(saved: SealedPlan, given: Patterns) -> Patterns:
    """What the plan was selected by. Raises UsageProblem where another selection is `given`."""
    if given.partial:
        raise UsageProblem(
            "--target and --exclude cannot be combined with a saved plan: all of it is carried out",
            hint="give them to `flowplan plan --out FILE`",
        )
    part = saved.get("selection")
    replace = dict.fromkeys((*given.replace, *sorted(map(str, saved_replacements(saved)))))
    return Patterns(tuple(part["target"]) if part else (), tuple(part["exclude"]) if part else (), tuple(replace))


def saved_replacements(saved: SealedPlan) -> frozenset[Address]:
    """What was replaced by request: planning again must request it again."""
    from flowplan.model.address import Address

    changes = saved["resource_changes"]
    return frozenset(Address.parse(o["address"]) for o in changes if o["action_reason"] == "replace_by_request")


def keeps_volumes(saved: SealedPlan) -> bool:
    """Whether the plan was made with --keep-volumes, as far as that makes a difference."""
    return any(one["action_reason"] == "forget_because_kept" for one in saved["resource_changes"])


def saved_destroyable(saved: SealedPlan) -> frozenset[str]:
    """Volumes whose destruction the plan holds: it would not be applicable had it not been allowed."""
    changes = saved["resource_changes"]
    gone = (one["change"] for one in changes if one["type"] == "volume" and "delete" in one["change"]["actions"])
    return frozenset(change["before"]["name"] for change in gone if change["before"])


def saved_budgets(saved: SealedPlan, *, proven: bool) -> tuple[Budget, ...]:
    """What the command line allowed when the plan was saved. What files allow is read again from them, and holds beside
    it where the file is not `proven` to be the one that was saved."""
    from flowplan.model.budget import Budget, dollars, increase
    from flowplan.model.mass_change import max_changes

    found = []
    for one in saved["cost"]["guards"]:
        if one["source"] is None and one["guard"] == "max_hourly_cost":
            found.append(Budget(max_hourly_cost=dollars(one["limit"]), basis=one["basis"], saved=True))
        elif one["source"] is None:
            found.append(Budget(max_cost_increase=increase(one["limit"]), basis=one["basis"], saved=True))
    for limit in saved.get("guards", ()):
        if limit["source"] is None:
            found.append(Budget(max_changes=max_changes(limit["limit"]), proven=proven))
    return tuple(found)


def places_of(body: PlanBody) -> dict[Address, tuple[str, str]]:
    """The type and region of every bid that a plan's document has after it: what was chosen stays chosen."""
    from flowplan.model.address import Address

    return {
        Address("bid", one["name"]): (one["change"]["after"]["instance_type"], one["change"]["after"]["region"])
        for one in body["resource_changes"]
        if one["type"] == "bid" and one["change"]["after"]
    }


def touched_by(saved: SealedPlan) -> frozenset[Address]:
    """The addresses that the plan does something about; what only moves is recorded with any plan."""
    from flowplan.documents.plan_held import acting
    from flowplan.model.address import Address

    return frozenset(map(Address.parse, acting(saved)))
