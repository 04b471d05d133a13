"""Saved plans: read strictly, held to what was approved, and what they say was allowed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Container, Iterable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

import attrs

from flowplan.backends.state_name import DEFAULT
from flowplan.config import Source
from flowplan.diagnostics import CODE_OF, Diagnostic, Position
from flowplan.errors import ConfigError, GuardRefused, StalePlan, StateError, UsageProblem
from flowplan.files.private import is_absent
from flowplan.files.regular import is_regular, opened, read_regular
from flowplan.model.selection import Patterns
from flowplan.operations.opening.paths import DEFAULT as DEFAULT_FILE
from flowplan.operations.opening.paths import SUFFIXES, has_no_file
from flowplan.operations.opening.settings import PLAN_KEY, Settings
from flowplan.printable import shown
from flowplan.secret import Secret

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Said
    from flowplan.documents.shapes.plan import PlanBody, PlanDocument, PlannedStack, SealedPlan
    from flowplan.model.address import Address
    from flowplan.model.budget import Budget
    from flowplan.operations.opening.session import Session
    from flowplan.operations.proposing.request import Request
    from flowplan.state.form import Form


ENCRYPTED = "encrypted"  # the format_version of what holds a plan document
PLAN_LIMIT = 256 * 1024 * 1024  # bytes
_NOTHING = b"\0 \t\r\n"  # of which an empty file is, also one that a crash has left
_TOLD = 8  # differences of a saved plan that are shown


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


def read_saved_plan(settings: Settings, paths: Sequence[str]) -> SealedPlan | None:
    """The saved plan that the single PATH is, or None for a configuration. Raises GuardRefused for a file
    that is a plan but not a whole one, or that is empty and not called as YAML is; UsageProblem for a plan with another
    PATH beside it, and for a file that cannot be read: it may be either."""
    if len(paths) == 1:
        return _plan_at(settings, paths[0], alone=True)
    for path in paths:  # a configuration is called .yaml nearly always, and there may be thousands of it
        if not path.endswith(SUFFIXES) and _plan_at(settings, path) is not None:
            hint = f"flowplan apply {shlex.quote(path)}; what the other files ask for is for a plan of their own"
            raise UsageProblem(f"a saved plan takes no PATH beside it: all of {path} is carried out", hint=hint)
    return None


def _plan_at(settings: Settings, path: str, *, alone: bool = False) -> SealedPlan | None:
    try:
        with opened(settings.directory / path) as file:
            start = file.read(4096)
            blank = alone and not path.endswith(SUFFIXES) and not start.strip(_NOTHING)
            if blank and not file.read(PLAN_LIMIT).strip(_NOTHING):
                raise _not_valid(path, "it is empty")
            if not start.lstrip().startswith(b"{"):
                return None
            data = start + file.read(PLAN_LIMIT)
    except OSError as error:
        if path.endswith(SUFFIXES):
            return None  # to read it as a configuration says so
        if is_regular(settings.directory / path):
            raise UsageProblem(f"{path} cannot be read: {error.strerror}") from error
        return None  # a directory, a name that is too long, or none: what is over ends all the same
    return read_plan(data, path, settings)


def given_plan(settings: Settings, name: str) -> SealedPlan:
    """The saved plan in the file `name`. Raises UsageProblem for one that cannot be read, GuardRefused for what is no
    saved plan, or not a whole one."""
    try:
        data = read_regular(settings.directory / name, PLAN_LIMIT)
    except FileNotFoundError:
        hint = f"`flowplan plan --out {shlex.quote(name)}` saves a plan there; `flowplan show` alone shows the state"
        raise UsageProblem(f"there is no file {shown(name)}", hint=hint) from None
    except OSError as error:
        raise UsageProblem(f"{name} cannot be read: {error.strerror}") from error
    found = read_plan(data, name, settings)
    if found is None:
        raise GuardRefused(f"{name} is not a saved plan", code="invalid-plan", hint="flowplan plan --out FILE")
    return found


def as_file(plan: str, form: Form) -> str:
    """The saved plan of the document `plan`, in the form of the state. Raises StateError."""
    from flowplan import __version__

    if form.seal is None:
        return plan
    head = {"format_version": ENCRYPTED, "flowplan_version": __version__}
    return json.dumps({**head, **form.seal.seal(plan.encode()).entry()}, indent=2) + "\n"


def _opened(body: Any, name: str, settings: Settings) -> Any:
    """The document in the saved plan `body`. Raises GuardRefused for one that is not encrypted where there is a key,
    and for one that no key opens."""
    from flowplan.state.codec import no_constant, no_duplicates
    from flowplan.state.seal import SCRYPT, Sealed, Unopened

    form = settings.form()
    if body.get("format_version") == ENCRYPTED:
        try:
            sealed = Sealed.of(body, name)
            clear = form.open(sealed, name)
        except Unopened as error:
            others = (
                "" if sealed.recipients == (SCRYPT,) else " with FLOWPLAN_AGE_RECIPIENTS naming who applies it, too"
            )
            hint = f"give {sealed.opener}, or plan again{others}"
            raise GuardRefused(str(error), code="invalid-plan", hint=hint) from error
        except StateError as error:
            raise GuardRefused(str(error), code="invalid-plan", hint="plan again") from error
        return json.loads(clear, object_pairs_hook=no_duplicates, parse_constant=no_constant)
    if form.seal is not None and not form.allow_plaintext:
        raise GuardRefused(
            f"{name} is not encrypted, though a key is given",
            code="invalid-plan",
            hint="plan again with the key, or give --allow-plaintext",
        )
    return body


def read_plan(data: bytes, name: str, settings: Settings) -> SealedPlan | None:
    """A plan document, checked; None for JSON that is none (a task file may be written in JSON)."""
    from flowplan import __version__
    from flowplan.documents.plan import FORMAT_VERSION, digest_of
    from flowplan.documents.plan_shape import misfit
    from flowplan.documents.scripts import without_scripts
    from flowplan.state.codec import no_constant, no_duplicates

    try:
        body = json.loads(data, object_pairs_hook=no_duplicates, parse_constant=no_constant)
        if isinstance(body, dict) and {"lineage", "serial"} <= body.keys():
            return None  # a state: reading it as a configuration says so
        if isinstance(body, dict) and "format_version" in body:
            body = _opened(body, name, settings)
        body = without_scripts(body) if isinstance(body, dict) else body
        digest = digest_of(body) if isinstance(body, dict) else ""
    except (ValueError, RecursionError):
        if b'"format_version"' in data[:200]:
            raise _not_valid(name, "it is cut off, or was edited") from None
        return None
    if not isinstance(body, dict) or "format_version" not in body:
        return None
    if body.get("flowplan_version") != __version__:
        raise _not_valid(name, f"it was made by flowplan {body.get('flowplan_version')}; this is {__version__}")
    if body["format_version"] != FORMAT_VERSION:
        raise _not_valid(name, f"its format_version is {body['format_version']}, not {FORMAT_VERSION}")
    if body.get("sha256") != digest:
        raise _not_valid(name, "its digest does not match its content")
    if why := misfit(body):
        raise _not_valid(name, why)
    return cast("SealedPlan", body)


def hold_whole(made: SealedPlan) -> None:
    """Raise GuardRefused for a plan in memory that was edited since it was made: its digest goes into the state."""
    from flowplan.documents.plan import digest_of

    try:
        whole = made.get("sha256") == digest_of(made)
    except (TypeError, ValueError, RecursionError):
        whole = False
    if not whole:
        raise _not_valid("the proposal", "its digest does not match its content")


def _not_valid(name: str, why: str) -> GuardRefused:
    return GuardRefused(f"{name} is not a valid plan: {why}", code="invalid-plan", hint="plan again")


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


def unchecked(saved: SealedPlan, settings: Settings) -> str | None:
    """Why the signature that `saved` has, or was meant to have, is not checked; None: it is, or nobody signs here."""
    if settings.plan_key is not None:
        return None
    if settings.has_empty_plan_key:  # the signature of a plan that somebody has put in its place is gone
        return f"{PLAN_KEY} is empty, so whether this plan is signed with it cannot be checked"
    return f"this plan is signed, but {PLAN_KEY} is not set to check it" if "hmac_sha256" in saved else None


def hold_checked(saved: SealedPlan, settings: Settings) -> None:
    """Raise GuardRefused for a plan of which a signature is meant to be checked, and cannot be."""
    if (why := unchecked(saved, settings)) is not None:
        raise GuardRefused(
            f"{why}; nothing was done",
            code="unchecked-plan",
            hint=f"set {PLAN_KEY} to the key that plans are signed with, or give --expect SHA256 with the digest of "
            "the plan that was approved",
        )


def hold_there(saved: SealedPlan, settings: Settings, given: Container[str] = ()) -> None:
    """Raise ConfigError where the files that `saved` was made of are not here, but for those that are `given`: apply
    reads them again, and what one types to get files would make others."""
    paths = [path for path in saved["stack"]["paths"] or [DEFAULT_FILE] if path not in given]
    gone = [path for path in paths if is_absent(settings.directory / path)]
    if gone and saved["mode"] != "destroy":
        summary = f"this plan was made from {', '.join(gone)}, which {'is' if len(gone) == 1 else 'are'} not here"
        hint = "apply it in the directory where it was planned, or with --chdir: apply reads the files again"
        if any(map(has_no_file, gone)):
            hint = "give load() that dict again, in the program that applies it; the command line cannot apply it"
        raise ConfigError([Diagnostic("file-unreadable", summary, hint)])


def saved_replacements(saved: SealedPlan) -> frozenset[Address]:
    """What was replaced by request: planning again must request it again."""
    from flowplan.model.address import Address

    changes = saved["resource_changes"]
    return frozenset(Address.parse(o["address"]) for o in changes if o["action_reason"] == "replace_by_request")


def keeps_volumes(saved: SealedPlan) -> bool:
    """Whether the plan was made with --keep-volumes, as far as that makes a difference."""
    return any(one["action_reason"] == "forget_because_kept" for one in saved["resource_changes"])


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


def saved_destroyable(saved: SealedPlan) -> frozenset[str]:
    """Volumes whose destruction the plan holds: it would not be applicable had it not been allowed."""
    changes = saved["resource_changes"]
    gone = (one["change"] for one in changes if one["type"] == "volume" and "delete" in one["change"]["actions"])
    return frozenset(change["before"]["name"] for change in gone if change["before"])


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


def hold_same_state(saved: PlannedStack, here: str | None) -> None:
    """Raise GuardRefused for a plan that was made for another state than `here`. A state in a file may be elsewhere in
    another checkout: its lineage tells it from others, and before it has one, its name."""
    made_for = saved.get("state")
    in_files = not any("://" in (one or "") for one in (made_for, here))
    alike = PurePath(made_for or DEFAULT).name == PurePath(here or DEFAULT).name
    if made_for == here or (in_files and (saved["lineage"] is not None or alike)):
        return
    raise GuardRefused(
        f"this plan is for the state {shown(made_for or DEFAULT)}, not for {shown(here or DEFAULT)}",
        code="other-plan",
        hint="plan again, or say with --state which it is",
    )


def hold_same_cloud(saved: PlannedStack, now: PlannedStack) -> None:
    """Raise GuardRefused for a plan that was made for another API or project."""
    for what, theirs, ours in (
        ("API", saved["api_url"], now["api_url"]),
        ("project", saved["project"]["name"], now["project"]["name"]),
        ("project id", saved["project"]["id"], now["project"]["id"]),
    ):
        if theirs != ours:
            raise GuardRefused(
                f"this plan is for the {what} {theirs}, not for {ours}",
                code="other-plan",
                hint="plan again",
            )


def hold_to(session: Session, saved: SealedPlan, planned: PlanDocument, choices: Iterable[Address]) -> None:
    """Raise StalePlan unless `planned`, the document that planning again gives of what the saved plan touches, is the
    saved plan: all that it says of that. (What refuses it is another matter.) `choices`: addresses whose type or region
    flowplan chose."""
    from flowplan.documents.plan import actions_of, sealed
    from flowplan.documents.plan_held import differences, moved

    now = sealed(planned)
    hold_same_cloud(saved["stack"], now["stack"])
    if now["stack"]["name"] != saved["stack"]["name"]:
        raise GuardRefused(
            f"this plan is for the stack {saved['stack']['name']}, not for {now['stack']['name']}",
            code="other-plan",
            hint="apply it in the directory where it was planned; with a `name` in its file a stack has that anywhere",
        )
    if now["stack"]["config_sha256"] != saved["stack"]["config_sha256"]:
        raise StalePlan("the configuration has changed since the plan was made", hint="plan again")
    if actions_of(now) != actions_of(saved):
        raise StalePlan(
            f"resources in the plan have changed since it was made; {session.nothing_was('done')}",
            detail="\n".join(moved(saved, now)),
            hint=_plan_again(saved["stack"], now["stack"]),
        )
    if differing := differences(saved, now, set(map(str, choices))):
        raise StalePlan(
            f"planning again gives a different plan; {session.nothing_was('done')}",
            detail="\n".join(differing[:_TOLD]),
            hint=_plan_again(saved["stack"], now["stack"]),
        )


def _plan_again(saved: PlannedStack, now: PlannedStack) -> str:
    """What to do about a plan that is out of date, and where to read who made it so, if a run of flowplan has."""
    if saved["serial"] == now["serial"]:
        return "plan again"
    return "plan again; another run has saved the state since: `flowplan state history` says whose it was"
