"""What is said of a configuration or a plan, with its place; and the table of all that can be said."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from attrs import evolve, field
from attrs.validators import in_

from flowplan.classes import frozen
from flowplan.masking import hide
from flowplan.printable import natural


@frozen(order=True)
class Position:
    """A place in a file: `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


Severity: TypeAlias = Literal["error", "warning", "note"]


class Code(NamedTuple):
    """What a code means; `word`: what documents and refusals call it, where they have a word for it."""

    sentence: str
    word: str | None = None


# Every code a diagnostic can have, with what it means.
CODES: Mapping[str, Code] = MappingProxyType({
    # the text of a file
    "alias": Code("A YAML alias (`*name`) is not allowed here, or names no anchor."),
    "character": Code("The text has a character that YAML or a shell does not allow."),
    "duplicate-key": Code("A key is given twice in one mapping."),
    "encoding": Code("A file is not UTF-8."),
    "expansion": Code("Expanding the aliases makes the text many times larger."),
    "key": Code("A key of a mapping is not plain text."),
    "nesting": Code("The text is nested deeper than any task file needs."),
    "layout": Code("A file cannot be laid out without changing what it means."),
    "syntax": Code("The text is not YAML."),
    "tab": Code("The text has a tab where YAML allows only spaces."),
    "tag": Code("A YAML tag (`!name`) is not supported."),
    "too-large": Code("A file is larger than flowplan accepts."),
    "too-many": Code("There are too many problems; the rest is not shown."),
    "yaml-version": Code("The file asks for a version of YAML that flowplan does not read."),
    "file-unreadable": Code("A configuration file cannot be read."),
    # whose file it is
    "foreign-file": Code("A file is one of another tool."),
    "not-carried-over": Code("A stack file that was made of another tool's file does not say something of it."),
    # its keys and values
    "carriage-return": Code("A line of a script has a carriage return; the shell takes it as part of a word."),
    "cloud-init": Code("A startup script begins like cloud-init configuration, but runs as a shell script."),
    "comment": Code("The #! line of a startup script is a comment in the task file and does not reach the instance."),
    "conflict": Code("Two settings contradict each other."),
    "credential": Code("A key would hold a credential; credentials are not read from files."),
    "crlf": Code("A script has Windows line ends; flowplan converts them to Unix ones."),
    "duplicate": Code("A list has a value twice, or a name is used twice."),
    "duplicate-address": Code("Two tasks or volumes have the same address."),
    "empty": Code("A key has no value, or an empty one."),
    "file": Code("A file that a task names cannot be read."),
    "folded": Code("A startup script is folded text, so YAML joins its lines."),
    "ignored": Code("A setting has no effect."),
    "lifetime-prevented": Code("A lifetime ends no task that has prevent_destroy or that a policy protects."),
    "missing": Code("A required key is missing."),
    "mount-point": Code("A mount point cannot be used."),
    "not-replaced": Code("A startup script has a `${...}` that only the rest of a stack file may have."),
    "port": Code("A value is not a port or a range of ports."),
    "port-conflict": Code("A port is needed twice on the instance: by a forwarder and by a program."),
    "port-overlap": Code("An external port is published twice."),
    "shebang": Code("A script has a space before its #! line, so bash runs it."),
    "token": Code("Something looks like a credential, and everyone with access to the bid could read it."),
    "type": Code("A value is of the wrong kind."),
    "unknown-key": Code("A key is unknown."),
    "value": Code("A value is not one of those allowed."),
    "depends-on": Code("A task waits for one that does not exist, or tasks wait for each other."),
    "for-each": Code("A `for_each` does not give each instance a key of its own."),
    "reference": Code("A `${...}` names something that does not exist, or that has no value here."),
    "sensitive": Code("A sensitive value would be stored or shown."),
    "trigger": Code("A `replace_triggered_by` names something that does not exist."),
    "variable-missing": Code("A variable has no value."),
    "variable-type": Code("The value of a variable is not of its type."),
    "variable-unknown": Code("A value is given for a variable that no stack file declares."),
    "import-refused": Code("An object cannot be imported."),
    "moved-taken": Code("A resource cannot move to an address that another one has."),
    "moved-unknown": Code("A resource would move to an address that is not configured."),
    "version": Code("The version of the task file is not supported."),
    # the startup script
    "script-too-long": Code("The startup script is longer than the platform accepts, even compressed."),
    "unsafe-value": Code("A value must not reach a shell, even quoted."),
    # names that only the cloud knows
    "key-missing": Code("No SSH key is given, and there is not exactly one to choose."),
    "key-unknown": Code("There is no SSH key of this name, or there are several."),
    "name-taken": Code("Another bid or volume already has the name."),
    "no-auction": Code("No auction is held for this instance type, or none in this region."),
    "project-conflict": Code("The tasks of one stack name several projects."),
    "project-missing": Code("No project is given, and there is not exactly one to choose."),
    "project-unknown": Code("There is no project of this name, or there are several."),
    "region-conflict": Code("A bid and its volumes would be in different regions."),
    "region-unknown": Code("There is no region of this name."),
    "type-ambiguous": Code("The name matches several instance types in one region."),
    "type-unknown": Code("There is no instance type of this name, or none that fits the selection."),
    "volume-ambiguous": Code("Several volumes have this name."),
    "volume-shared": Code("A Block volume would be used by more than one instance."),
    "volume-unknown": Code("There is no volume of this name to attach."),
    "volume-unusable": Code("The volume cannot be attached."),
    # what the API would refuse
    "key-required": Code("The project requires an SSH key that the bid does not have."),
    "limit-too-low": Code("The limit is below the minimum that the API accepts."),
    "minimum-unknown": Code("A bid would be replaced by one that the API may refuse."),
    "lifetime-over": Code("A lifetime is over, of a task that would be placed or that keeps running.", "lifetime_over"),
    "quota": Code("A quota of the project does not allow the bid or volume."),
    "too-many-instances": Code("The whole auction has fewer instances than the bid asks for."),
    # guards
    "max-cost-increase": Code(
        "The plan costs more than --max-cost-increase or the task file allows.", "max_cost_increase"
    ),
    "max-hourly-cost": Code("An hour costs more than --max-hourly-cost or the task file allows.", "max_hourly_cost"),
    "prevent-destroy": Code("What has prevent_destroy would be destroyed or replaced.", "prevent_destroy"),
    "import-replaces": Code("An object would be replaced by the plan that imports it.", "import_replaces"),
    "mass-change": Code(
        "The plan changes more of the stack than --max-changes or the task file allows.", "max_changes"
    ),
    "policy": Code("A policy does not allow the plan, or cannot be checked.", "policy"),
    "policy-unused": Code("A policy limits nothing: no such type, address or project.", "policy_unused"),
    "volume-data": Code("A volume would be destroyed, and you have not allowed that.", "volume_data"),
    "volume-in-use": Code("A volume would be destroyed or move while something else uses it.", "volume_in_use"),
    # what else refuses
    "errored": Code("A saved plan was refused when it was made.", "errored"),
    "invalid-plan": Code("A file is not a plan that flowplan saved.", "invalid_plan"),
    "not-ours": Code("A bid or volume does not belong to this stack.", "not_ours"),
    "other-endpoint": Code("The state belongs to another API.", "other_endpoint"),
    "other-environment": Code("The name_prefix is not the one that the state was applied with.", "other_environment"),
    "other-stack": Code("The state is another stack's, of which the files name nothing.", "other_stack"),
    "other-state": Code("Bids of a stack of this name are live, and the state lacks them.", "other_state"),
    "without-prefix": Code("Bids of a stack of this name are live without the name_prefix.", "without_prefix"),
    "other-plan": Code("A saved plan is for another API, project or state.", "other_plan"),
    "would-forget": Code("Another version of the state lacks resources that it holds now.", "would_forget"),
    "other-project": Code("The state belongs to another project.", "other_project"),
    "stale-plan": Code("A saved plan is not what would be planned now.", "stale_plan"),
    "tampered-plan": Code("A saved plan was changed after it was signed, or signed with another key.", "tampered_plan"),
    "unchecked-plan": Code("A saved plan's signature cannot be checked: there is no key here.", "unchecked_plan"),
    "unexpected-plan": Code("A saved plan is not the one that --expect names.", "unexpected_plan"),
    "unsigned-plan": Code("A saved plan is not signed, although there is a key to sign with.", "unsigned_plan"),
    # prices and limits
    "all-or-nothing-too-large": Code(
        "The bid asks for more instances at once than the auction has.", "all_or_nothing_too_large"
    ),
    "below-reserve": Code("The limit is below the reserve, so the bid can never win.", "below_reserve"),
    "cannot-win-now": Code("The limit does not win at current prices.", "cannot_win_now"),
    "limit-far-above-need": Code(
        "The limit is far above what keeps the bid running, which is right if an hour is worth that to you.",
        "limit_far_above_need",
    ),
    "not-fetched": Code("Prices could not be fetched, so they are unknown."),
    "price-ambiguous": Code("The auction's rule does not determine the price.", "price_ambiguous"),
    "self-competition": Code("Your own bids raise each other's price.", "self_competition"),
    "stale-market": Code("The prices are out of date.", "stale_market"),
    "thin-history": Code("The past prices allow only a rough forecast.", "thin_history"),
    "tie": Code("The limit equals the lowest winning one, and the older bid wins.", "tie"),
    "volatile": Code("The price varies so much that the cost may be far from the middle of the forecast.", "volatile"),
    # what else a plan says
    "done": Code("A task has run and is not placed again.", "done"),
    "other-lifetime": Code("The instances of a bid end by an earlier lifetime.", "other_lifetime"),
    "lifetime-unknown": Code("Whether a lifetime is over is unknown, and the task runs on.", "lifetime_unknown"),
    "lifetime-short": Code("A lifetime ends a task before its work is done.", "lifetime_short"),
    "lifetime-again": Code("A bid with a lifetime is replaced, and its bounds start again.", "lifetime_again"),
    "no-lifetime": Code("Some tasks have a lifetime, and others run until somebody cancels them.", "no_lifetime"),
    "interrupts": Code("Bids that run are stopped, and have to win again.", "interrupts"),
    "ports-dropped": Code("A bid is replaced because it publishes fewer ports.", "ports_dropped"),
    "file-gone": Code("The file that made a resource is gone; the resource is left alone.", "file_gone"),
    "in-doubt": Code("The outcome of operations of an earlier run is unknown."),
    "left-alone": Code("Resources of files that you did not give are left alone.", "left_alone"),
    "moved": Code("A resource was made from one file and now belongs to another.", "moved"),
    "not-refreshed": Code("The plan is made from the state alone; the cloud was not checked.", "not_refreshed"),
    "partial": Code("The plan covers only a part of the stack, as --target and --exclude ask.", "partial"),
    "dependents": Code("What depends on an excluded resource, or is needed by it, is left out, too.", "dependents"),
    "renamed": Code("What is destroyed, or left alone, and what is created differ only by their names.", "renamed"),
    "named-beside": Code("A file beside those given names what would be destroyed.", "named_beside"),
    "uncompared": Code("A bid that flowplan did not place is not wholly compared, or differs and stays.", "uncompared"),
    "script-dropped": Code("A replacement runs no startup script; what it replaces does, or may.", "script_dropped"),
    "namesake": Code("A bid that flowplan did not place has the name of one that it placed."),
    "preempting": Code("The cloud takes back the instances of a bid.", "preempting"),
    "other-recipients": Code("The state is encrypted for others than this run names.", "other_recipients"),
    "other-marker": Code("Another stack may hold a bid that was changed outside, or would end.", "other_marker"),
    "twins": Code("Duplicate live bids carry the marker of one bid.", "twins"),
    "unchecked": Code("A check was not possible before the apply.", "unchecked"),
    "unknown-status": Code("This flowplan does not know the status that the API gives for a bid.", "unknown_status"),
    "raised-limit": Code("The watch has raised the limit price of a bid, and an apply leaves it so.", "raised_limit"),
    "released": Code("A resource stays live and costs money, and flowplan no longer manages it.", "released"),
    "unnamed": Code("A bid is in the state, but no known file names it.", "unnamed"),
    # what ends a command
    "failed": Code("A command failed: the API or this machine did not do what it needed."),
    "internal": Code("A bug in flowplan ended the command."),
    "interrupted": Code("A signal, or the program that called it, stopped a command."),
    "locked": Code("Somebody else holds the lock of the state."),
    "not-approved": Code("Nobody approved the plan."),
    "outcome-unknown": Code("A create may or may not have happened; its intent is kept."),
    "state": Code("The state cannot be read, went back, or cannot be made durable."),
    "usage": Code("A command line is not one that flowplan takes."),
    # what an apply says
    "progress": Code("Something that an apply says while it runs."),
    "step-failed": Code("A step of an apply failed."),
})  # fmt: skip
CODE_OF: Mapping[str, str] = MappingProxyType({code.word: name for name, code in CODES.items() if code.word})


@frozen
class Diagnostic:
    """One thing that is said of a configuration or a plan: a problem, a refusal, a warning or a note.

    `code`: which of CODES it is; `detail`: more about it, for people; `hint`: what to do about it; `position`: where it
    is, and `source` the text of that line, for the caret; `end`: the place behind the last character of what is there,
    where that is known; `also`: further places, each with what it is ("first given here"); `about`: the address it is
    about, where it is about one.
    """

    code: str = field(validator=in_(CODES))
    summary: str
    hint: str | None = None
    detail: str | None = field(default=None, kw_only=True)
    severity: Severity = field(default="error", kw_only=True)
    position: Position | None = field(default=None, kw_only=True)
    source: str | None = field(default=None, kw_only=True)
    end: Position | None = field(default=None, kw_only=True)
    also: tuple[tuple[str, Position], ...] = field(default=(), kw_only=True)
    about: str | None = field(default=None, kw_only=True)

    @property
    def word(self) -> str | None:
        """What documents and refusals call it; None: they have no word for it."""
        return CODES[self.code].word

    def without(self, secrets: Collection[str]) -> Diagnostic:
        """The same, in which none of `secrets` can be read."""
        return self.hidden(lambda text: hide(text, secrets))

    def typed(self, commands: Callable[[str], str]) -> Diagnostic:
        """This, with the `commands` of its hint as they are to be typed."""
        return self if self.hint is None else evolve(self, hint=commands(self.hint))

    def hidden(self, secretless: Callable[[str], str]) -> Diagnostic:
        """The same without what must stay secret: `secretless` gives a text without that."""
        hint, detail, source = (one and secretless(one) for one in (self.hint, self.detail, self.source))
        return evolve(self, summary=secretless(self.summary), hint=hint, detail=detail, source=source)


def by_position(problem: Diagnostic) -> tuple[str, int, int]:
    """A key to sort by: file, line, column; what has no place comes first."""
    place = problem.position
    return (place.file, place.line, place.column) if place else ("", 0, 0)


_ALIKE = 0.6  # of two words of which one is a slip for the other
_SHORT = 3  # letters: what has fewer is as near to many words
ADDRESS_KINDS = ("volume", "bid", "ports", "task")  # what addresses of files and commands begin with


def looks_like(word: str, known: Iterable[str], alike: float = _ALIKE) -> str | None:
    """The one of `known` that `word` was probably meant to be: the beginning of that one alone, where `alike` is as
    usual; else at least `alike` of the letters agree, of two addresses those behind the kind; else the only address of
    that name, of another kind. The one place that decides it."""
    plain = word[:64].lower().replace("-", "_")
    same = {name.lower().replace("-", "_"): name for name in known}
    near = [name for name in same if name.startswith(plain)] if alike <= _ALIKE and len(plain) > 2 else []
    found = near if len(near) == 1 else _nearest(plain, same, alike)
    return same[found[0]] if found else None


def _nearest(plain: str, names: Collection[str], alike: float) -> Sequence[str]:
    from difflib import get_close_matches  # what a mistake costs; most runs have none

    def close(word: str, known: Iterable[str]) -> Sequence[str]:
        found = get_close_matches(word, known, 2, alike)
        return found[:1] if len(word) >= _SHORT or len(found) == 1 else ()

    kind, _, name = plain.partition(".")
    if kind not in ADDRESS_KINDS or not name:
        return close(plain, names)
    rest = {one.removeprefix(f"{kind}."): one for one in names if one.startswith(f"{kind}.")}
    others = [one for one in names if one.endswith(f".{name}")]
    if not rest:
        return others if len(others) == 1 else close(plain, names)
    return [rest[one] for one in close(name, rest)] or others[: len(others) == 1]


def candidates(wanted: str, names: Iterable[str], told_by: Callable[[str], str] = str) -> str | None:
    """A hint that lists what there is, the likely one first. `told_by`: the part of a name by which it is told from
    others, as what all have in common makes none alike."""
    known = sorted(set(names), key=natural)
    if not known:
        return None
    whole = {told_by(name): name for name in known}
    near = whole.get(looks_like(told_by(wanted), whole) or "")
    stem = re.split(r"[^a-z0-9]", wanted.lower())[0]
    alike = [name for name in known if stem and stem in name.lower()]
    shown = [*alike, *(name for name in known if name not in alike)][:12]
    listed = ", ".join(shown) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return f"did you mean {near}? there are: {listed}" if near else f"there are: {listed}"
