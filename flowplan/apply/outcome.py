"""What came of a run, what it means for the exit code, and the errors that end a run which has begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import field

from flowplan.classes import frozen
from flowplan.errors import Ambiguous, FlowplanError, GuardRefused, NameTaken, StateError, first_of
from flowplan.model.address import Address
from flowplan.model.outputs import Output
from flowplan.names import few
from flowplan.planning.actions import Change, Import
from flowplan.planning.plan import Plan
from flowplan.planning.steps import Step
from flowplan.state.records import Intent
from flowplan.state.state import State


@frozen
class Outcome:
    """What a run came to. `state` is what is true now; `pending` are the intents still in doubt. `done`, `failed` and
    why, `unknown` and why (creates that may have happened), `not_started`: each step of the plan is in one of them;
    `failed` may also have one that is done and did not get as far as the run was to wait for. `stopped`: somebody asked
    the run to end. `expired`: the steps that are in no plan, of bids whose lifetime ended while the run waited."""

    state: State
    pending: tuple[Intent, ...] = ()
    done: tuple[Step, ...] = ()
    failed: Mapping[Step, FlowplanError] = field(factory=dict)
    unknown: Mapping[Step, FlowplanError] = field(factory=dict)
    not_started: tuple[Step, ...] = ()
    stopped: bool = False
    outputs: Mapping[str, Output] = field(factory=dict)
    expired: Mapping[Step, Change] = field(factory=dict)

    def __repr__(self) -> str:
        """How many steps came to what; a notebook shows it, and a log."""
        found = {"done": self.done, "failed": self.failed, "in doubt": self.unknown, "not started": self.not_started}
        counts = ", ".join(f"{len(steps)} {word}" for word, steps in found.items() if steps)
        return f"<Outcome: {counts or 'nothing'}{'; stopped' if self.stopped else ''}>"

    @property
    def clean(self) -> bool:
        """Whether all that was planned is done."""
        return not (self.failed or self.unknown or self.not_started or self.stopped)

    @property
    def left(self) -> tuple[Address, ...]:
        """The resources of which a step was not started, but for those of which one failed, or is in doubt: they are
        counted there."""
        told = {step.address for step in (*self.failed, *self.unknown)}
        return tuple(dict.fromkeys(one.address for one in self.not_started if one.address not in told))

    @property
    def reached(self) -> str:
        """How far the plan was carried out, for who is told of something else that ended the run; "": it had no
        step."""
        undone = [str(address) for address in dict.fromkeys(step.address for step in (*self.failed, *self.not_started))]
        doubted = [str(step.address) for step in self.unknown]
        if not undone and not doubted:
            return "the plan is carried out" if self.done else ""
        if not (self.done or self.failed or doubted):
            return "nothing of the plan was carried out"
        parts = [f"not carried out: {few(undone)}"] if undone else []
        return "; ".join([*parts, f"in doubt: {few(doubted)}"] if doubted else parts)

    @property
    def undone(self) -> str:
        """That no step was even tried, where there were some; "": any was, or there was none."""
        return "" if self.done or self.failed or self.unknown else self.reached


class ApplyFailed(FlowplanError):
    """Some steps failed. What was done is in the state; the next apply continues. `outcome`: what the run came to, with
    the `failed` steps and why; none where it began no step. str() says the first reasons."""

    def __init__(self, message: str, outcome: Outcome, *, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.outcome = outcome

    def __str__(self) -> str:
        return _with_reasons(self.summary, self.outcome.failed)


class OutcomeUnknown(FlowplanError):
    """A create may or may not have happened. Its intent is kept in the journal. `outcome`: what the run came to; None:
    it began no step."""

    exit_code = 6
    code = "outcome-unknown"
    outcome: Outcome | None = None

    def __str__(self) -> str:
        return self.summary if self.outcome is None else _with_reasons(self.summary, self.outcome.unknown)


class RefusedMeanwhile(GuardRefused):
    """A guard refuses steps that had to wait, or to end what is past its lifetime. What was done is in the state.
    `outcome`: what the run came to, with the `failed` steps."""

    def __init__(self, message: str, outcome: Outcome, *, code: str, hint: str) -> None:
        super().__init__(message, code=code, hint=hint)
        self.outcome = outcome


class SaveFailed(StateError):
    """What a run did could not be recorded where the state is, because of `cause`, which is its `__cause__`, too. It
    started nothing more. `outcome`: what the run came to, its `state` with all of it; `detail` says how far that is
    (`reached`), where it is kept until the next run takes it over, and what is kept nowhere."""

    def __init__(self, cause: StateError, outcome: Outcome, reached: str = "") -> None:
        super().__init__(
            cause.summary, hint=cause.hint, detail="\n".join(filter(None, [reached, cause.detail])) or None
        )
        self.outcome = outcome
        self.cause = cause
        self.__cause__: BaseException | None = cause

    def hide(self, secretless: Callable[[str], str]) -> None:
        """Also in what its steps failed with: of some nobody was told."""
        super().hide(secretless)
        for one in (*self.outcome.failed.values(), *self.outcome.unknown.values()):
            one.hide(secretless)


class Interrupted(FlowplanError):
    """A signal, or a program, stopped the run. What was done is in the state. `outcome`: what the run came to; None: it
    began no step."""

    code = "interrupted"
    outcome: Outcome | None = None

    def __init__(self, message: str, *, signal_number: int = 2, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code: int = 128 + signal_number


def with_outcome(error: BaseException, outcome: Outcome) -> BaseException:
    """`error`, which ends a run that has begun, with what that came to, where it can carry it."""
    if isinstance(error, (OutcomeUnknown, Interrupted)):
        error.outcome = outcome
    return error


def _with_reasons(summary: str, failed: Mapping[Step, FlowplanError]) -> str:
    why = first_of([f"{step.address}: {error}" for step, error in failed.items()])
    return f"{summary}: {why}" if why else summary


def in_doubt(error: FlowplanError) -> bool:
    """Whether a create that raised `error` may have happened."""
    return isinstance(error, (Ambiguous, NameTaken))


def verdict(outcome: Outcome, *, carried_out: bool = False, detail: str | None = None) -> None:
    """Raise what the run amounts to, by the precedence of the exit codes, with `detail`; nothing when all is done.
    `carried_out`: all that was planned was done, and what failed is the wait after it."""
    later = {step: error for step, error in outcome.failed.items() if isinstance(error, OutcomeUnknown)}
    if unknown := {**outcome.unknown, **later}:
        error = OutcomeUnknown(
            f"the outcome of {', '.join(str(step.address) for step in unknown)} is unknown; the intent is kept",
            hint="run `flowplan recover`, or the same command again: both look first, and neither creates "
            "anything twice",
            detail=detail,
        )
        raise with_outcome(error, outcome)
    refused = [error for error in outcome.failed.values() if isinstance(error, GuardRefused)]
    if refused and len(refused) == len(outcome.failed):
        reasons = sorted({error.reason for error in refused})
        raise RefusedMeanwhile(
            f"refused by the guard{'' if len(reasons) == 1 else 's'} {', '.join(reasons)} after the wait; "
            "what was done is saved",
            outcome,
            code=refused[0].code,
            hint="once it is allowed, run the same command again: it continues from here",
        )
    if outcome.failed:
        count = len(outcome.failed)
        raise ApplyFailed(
            f"{count} step{'' if count == 1 else 's'} failed; what was done is saved",
            outcome,
            hint="the plan itself is carried out: `flowplan status` shows what became of it"
            if carried_out
            else "once the cause is fixed, run the same command again: it continues from here",
            detail=detail,
        )


_DOING = {
    ("up", "create"): "creating",
    ("up", "replace"): "creating",
    ("up", "update"): "updating",
    ("down", "delete"): "destroying",
    ("end", "delete"): "destroying",
    ("down", "replace"): "destroying",
    ("down", "forget"): "forgetting",
    ("up", "import"): "importing",
    ("up", "no-op"): "waiting",  # for a bid that was there before: --wait
}
DONE = {
    "creating": "created",
    "updating": "updated",
    "destroying": "destroyed",
    "forgetting": "forgotten",
    "importing": "imported",
}


def doing(step: Step, change: Change) -> str:
    """What a step does, as a participle."""
    return _DOING[step.way, change.action]


def counted(plan: Plan, outcome: Outcome) -> dict[str, int]:
    """Resources added, changed, destroyed and forgotten by the steps that are done; imported, where the plan imports.
    What is imported and changed at once counts twice."""
    changes = plan.by_address()
    words = [DONE[doing(step, outcome.expired.get(step) or changes[step.address])] for step in outcome.done]
    names = {"added": "created", "changed": "updated", "destroyed": "destroyed", "forgotten": "forgotten"}
    counts = {name: words.count(word) for name, word in names.items()}
    imports = [
        changes[step.address] for step in outcome.done if isinstance(changes[step.address], Import) and step.way == "up"
    ]
    counts["changed"] += sum(bool(one.fields) for one in imports)
    if any(isinstance(one, Import) for one in plan.changes):
        counts["imported"] = len(imports)
    return counts
