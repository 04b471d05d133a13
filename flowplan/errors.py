"""What can go wrong, each with its exit code. Nothing here imports anything else of flowplan.

The tree (exit codes are those of the README's table); what ends a run that has begun is in apply/outcome.py (*), with
what the run came to:

    FlowplanError            1   failed
    |- CloudError            1   the API could not be reached, or refused
    |   |- NotFound          1   404: the object is not there
    |   |- Refused           1   another 4xx that proves that nothing was done
    |   |- NameTaken         1   409, or the 400 that means it: somebody has that name
    |   |- Unauthorized      1   401, or 409 needs_reauth: stop everything, the credentials are no good
    |   |- Unreachable       1   no connection: nothing was sent, and nothing else can be either
    |   |- Held              1   202 held: an approval proxy keeps the request
    |   `- Ambiguous         1   the request may or may not have been executed
    |- ApplyFailed *         1   some steps failed; what was done is saved
    |- ApprovalMissing       1   apply without approval
    |- GuardRefused          3   a guard says no
    |   |- StalePlan         3   the saved plan no longer fits
    |   `- RefusedMeanwhile* 3   one says so to steps that had to wait, or to the end of a lifetime; the rest is saved
    |- Locked                4   somebody else holds the lock
    |- StateError            5   the state cannot be read, went back, or cannot be made durable
    |   |- Remedied          5   the hint is all that is to be done about it
    |   |  |- Damaged        5   what is read of the state is not what flowplan wrote
    |   |  `- NotInUse       5   here is no state, or not the one that is used
    |   |- NoLocks           5   files cannot be locked where the state is
    |   |- SaveFailed *      5   of a run that had begun
    |   |- Unwritten         5   the system does not take what is written where the state is
    |   |  |- NoRoom         5   for want of space, of permission, or of something else that it limits
    |   |  `- Unserved       5   the server of the state does not, or does not say whether it did
    |   `- Unread            5   the system does not let it be read: it may be whole
    |- OutcomeUnknown *      6   a create may have happened; its intent is kept
    |- UsageProblem         64   wrong usage
    |- ConfigError          65   problems in the configuration, each a `Diagnostic`
    `- Interrupted *   130/143   stopped by a signal or a program, state saved
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowplan.diagnostics import Diagnostic


class FlowplanError(Exception):
    """The root. `str(error)` says what happened, and why; `summary` is that without what a report of the run has told
    one by one; `hint` says what to do; `code` is one of diagnostics.CODES; `excerpt` is the line of a file that it is
    about, where that is known."""

    exit_code: int = 1
    code: str = "failed"
    excerpt: str | None = None

    def __init__(self, message: str, *, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.detail = detail

    def hide(self, secretless: Callable[[str], str]) -> None:
        """Have it, and what it came of, say nothing that must stay secret: `secretless` gives a text without that."""
        self.args: tuple[Any, ...] = tuple(secretless(one) if isinstance(one, str) else one for one in self.args)
        said = (self.hint, self.detail, self.excerpt)
        self.hint, self.detail, self.excerpt = (one and secretless(one) for one in said)
        if notes := getattr(self, "__notes__", None):
            self.__notes__: list[str] = [secretless(one) for one in notes]
        for one in {self.__cause__, self.__context__}:  # a traceback shows them, too
            if isinstance(one, FlowplanError):
                one.hide(secretless)

    def __reduce__(self) -> tuple[object, ...]:
        """A copy, as another process gets one, is made of what it holds: each class is made of other arguments."""
        return _copied, (type(self), self.args), self.__dict__

    @property
    def summary(self) -> str:
        """What happened, in one short sentence."""
        return str(self.args[0])


def _copied(kind: type[FlowplanError], args: tuple[object, ...]) -> FlowplanError:
    return kind.__new__(kind, *args)


class CloudError(FlowplanError):
    """The API could not be reached or refused. `status` is the HTTP status, or None without an answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        hint: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.status = status
        self.request_id = request_id


class NotFound(CloudError):
    """404: the object is not there (or not for this key)."""


class Refused(CloudError):
    """A 4xx answer that proves that nothing was done (validation, permission, quota, price)."""


class NameTaken(CloudError):
    """409, or a 400 that says the name is in use."""


class Unauthorized(CloudError):
    """401, or 409 `needs_reauth`: most likely no call succeeds with these credentials. Who stops what costs money goes
    on: another call may accept them."""


class Unreachable(CloudError):
    """No connection to the API came about: nothing was sent."""


class Held(CloudError):
    """202 `held`: an approval proxy keeps the request; nothing was created yet."""


class Ambiguous(CloudError):
    """The request may or may not have been executed: only a look-up can tell."""


class ApprovalMissing(FlowplanError):
    """Nobody approved the plan."""

    code = "not-approved"


class GuardRefused(FlowplanError):
    """A guard refuses. `code`: why, one of diagnostics.CODES; `refusals`: of a plan, every reason with its place and
    what to do; `planned`: whether there is a plan, whose document says them. Raises KeyError for a code that is not
    among them."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str | None = None,
        detail: str | None = None,
        refusals: Sequence[Diagnostic] = (),
        planned: bool = True,
    ) -> None:
        from flowplan.diagnostics import CODES

        super().__init__(message, hint=hint, detail=detail)
        self.refusals: Sequence[Diagnostic] = refusals
        self.planned: bool = planned
        self.code = code
        self.reason: str = CODES[code].word or code
        """What documents call it."""

    def hide(self, secretless: Callable[[str], str]) -> None:
        """Also in each of its reasons."""
        super().hide(secretless)
        self.refusals = tuple(one.hidden(secretless) for one in self.refusals)

    def __str__(self) -> str:
        why = first_of([one.summary for one in self.refusals])
        return f"{self.summary}: {why}" if why else self.summary


class StalePlan(GuardRefused):
    """The saved plan is not what would be planned now."""

    def __init__(self, message: str, *, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message, code="stale-plan", hint=hint, detail=detail)


class Locked(FlowplanError):
    """Somebody else holds the lock."""

    exit_code = 4
    code = "locked"


class StateError(FlowplanError):
    """The state is unreadable, went back, or could not be made durable."""

    exit_code = 5
    code = "state"


class Remedied(StateError):
    """The hint is all that is to be done about it: the same command again, what brings the state back, or where it is.
    It needs no way around it meanwhile."""

    def __init__(
        self, message: str, *, hint: str | None = "run the same command again", detail: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, detail=detail)


def instead_of_again(hint: str, way: str) -> str:
    """`hint`, of a command that is refused if it is typed again: it says `way` ("run ...") where it says that."""
    again = "the same command again"
    return hint.replace(f"run {again}", way).replace(again, way)


RESTORE = "`flowplan state restore` restores the last good version"


class Damaged(Remedied):
    """What is read of a state, or of its journal, is not what flowplan wrote, or is missing: `state restore` restores
    the last good version. `otherwise`: what to do instead where there is another way."""

    def __init__(self, message: str, *, otherwise: str = "") -> None:
        super().__init__(message, hint="; otherwise ".join(filter(None, [RESTORE, otherwise])))
        self.otherwise = otherwise
        self.restorable: bool = True

    def not_kept(self, instead: str) -> None:
        """Name what to do where nothing is kept that could be restored: `otherwise`, or `instead`."""
        self.hint, self.restorable = self.otherwise or instead, False


class NoLocks(StateError):
    """The file system of the state knows no locks (flock): nobody could be kept out."""


class Unwritten(StateError):
    """What is written where the state is may not be there: the system says that it could not."""


class NoRoom(Unwritten):
    """Nothing can be written where the state is: no space, no permission, or a limit of the machine's."""


class Unserved(Unwritten):
    """The server of the state does not take what is to be written there, or does not say whether it did. Nobody else is
    known to have written since, and the lock is ours as far as is known."""


class Unread(StateError):
    """What may be whole, and the system does not let be read: never damage."""


class NotInUse(Remedied):
    """Here is no state, or not the one that is used: that is at another place, or an earlier version of it is kept. The
    hint says which."""


class UsageProblem(FlowplanError):
    """Wrong usage that click cannot see."""

    exit_code = 64
    code = "usage"


class ConfigError(FlowplanError):
    """The configuration has problems: all of them, in the order of their positions. What several resources have from
    one place is wrong once."""

    exit_code = 65

    def __init__(self, problems: Iterable[Diagnostic]) -> None:
        from flowplan.diagnostics import by_position

        once: dict[object, Diagnostic] = {}
        for problem in problems:
            place = problem.position
            once.setdefault((problem.code, problem.summary, place or problem.about), problem)
        self.problems: Sequence[Diagnostic] = sorted(once.values(), key=by_position)
        count = len(self.problems)
        hint = next((one.hint if count == 1 else _placed(one, one.hint) for one in self.problems if one.hint), None)
        super().__init__(f"{count} problem{'' if count == 1 else 's'} in the configuration", hint=hint)
        for problem in self.problems[_SAID:]:  # a traceback shows them
            self.add_note(_placed(problem))

    def hide(self, secretless: Callable[[str], str]) -> None:
        """Also in each of its problems."""
        super().hide(secretless)
        self.problems = [one.hidden(secretless) for one in self.problems]

    def __str__(self) -> str:
        return first_of([_placed(one) for one in self.problems]) or self.summary


def _placed(problem: Diagnostic, said: str | None = None) -> str:
    text = said or problem.summary
    return f"{problem.position}: {text}" if problem.position else text


_SAID = 3


def first_of(reasons: Sequence[str]) -> str:
    """Some of many reasons, as one sentence says them, and how many more there are."""
    left = len(reasons) - _SAID
    return "; ".join([*reasons[:_SAID], *([f"and {left} more"] if left > 0 else [])])


def reasons(error: FlowplanError) -> Sequence[Diagnostic]:
    """Why something failed, as programs read it: each problem of a configuration, each refusal that no document says
    already."""
    if isinstance(error, ConfigError):
        return error.problems
    from flowplan.diagnostics import Diagnostic

    said = Diagnostic(error.code, error.summary, error.hint, detail=error.detail)
    return (said, *error.refusals) if isinstance(error, GuardRefused) and not error.planned else (said,)
