"""Which of the things that a plan can be asked for exclude each other: one table, for every face of flowplan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from flowplan.errors import UsageProblem


class Rule(NamedTuple):
    """`asked` cannot be combined with any of `beside`, because of `why`. All are names of arguments."""

    asked: str
    beside: tuple[str, ...]
    why: str


SAVED_PLAN = "a saved plan"
RULES: tuple[Rule, ...] = (
    Rule("what_if", ("destroy",), "no bid would be left"),
    Rule("max_changes", ("destroy",), "everything is meant to be destroyed"),
    Rule("replace", ("destroy",), "nothing would be created again"),
    Rule("refresh_only", ("out", "destroy", "replace", "what_if", SAVED_PLAN), "it only records what is live"),
    Rule("no_refresh", ("out", "destroy", "refresh_only"), "it does not check what is live"),
    Rule("keep_volumes", ("allow_volume_destroy",), "no volume is destroyed"),
)
_OWN = ("types", "region", "limit", "horizon", "history", "svg", "exit_code")
MARKET = (Rule("for", _OWN, "the tasks of the file say what is looked for"),)


def hold_together(
    given: Mapping[str, object], spelled: Callable[[str], str] = str, rules: Sequence[Rule] = RULES
) -> None:
    """Raise UsageProblem where two of what is `given` exclude each other, or one needs another. What is None, False or
    empty is not given. `spelled`: how the caller spells the name of an argument."""
    for rule in rules:
        wrong = next((name for name in rule.beside if given.get(name)), None)
        if given.get(rule.asked) and wrong is not None:
            asked, beside = spelled(rule.asked), spelled(wrong)
            raise UsageProblem(f"{asked} cannot be combined with {beside}: {rule.why}", hint="leave out one of them")
    if given.get("keep_volumes") and not given.get("destroy"):
        keep, destroy = spelled("keep_volumes"), spelled("destroy")
        raise UsageProblem(f"{keep} needs {destroy}", hint=f"add {destroy}, or leave it out")
    if given.get("exit_code") and not given.get("limit"):
        needs = f"{spelled('exit_code')} needs {spelled('limit')}"
        raise UsageProblem(needs, hint="give the limit of the bid, for example 17.92")


def as_option(name: str) -> str:
    """The name of an argument as the command line spells it."""
    return {SAVED_PLAN: SAVED_PLAN, "types": "TYPE"}.get(name) or "--" + name.replace("_", "-")
