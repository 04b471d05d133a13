"""Problems of the configuration -> text: place, source line, caret, hint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowplan.diagnostics import Diagnostic, Position
from flowplan.documents.validate import Checked
from flowplan.names import ranges
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, columns, wrapped

_APART = 3  # so many problems that are the same are shown one by one
_ALIKE = 30  # further places of one problem that are listed
_PLACES = 5  # further ones that are shown
_AFTER = 30  # characters behind the column that a line which is cut shows, where it has them
_STYLES = {"error": "red", "warning": "yellow", "note": "cyan"}


def checked(found: Checked, _: Paint) -> str:
    """That a configuration is valid, and how much there is; its warnings are shown beside it."""
    tasks, volumes = found.tasks, found.volumes
    return f"Valid: {tasks} task{'' if tasks == 1 else 's'}, {volumes} volume{'' if volumes == 1 else 's'}.\n"


def text(problems: Iterable[Diagnostic], paint: Paint) -> str:
    """All of them, what is the same in more than a few places once, and how many."""
    problems = list(problems)
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    counts = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return "\n\n".join([*(_in_places(these, paint) for these in _alike(problems, paint)), ", ".join(counts)])


def _alike(problems: Sequence[Diagnostic], paint: Paint) -> list[list[Diagnostic]]:
    """Those together that differ in nothing but their place, if they are more than a few and not all are asked for.
    So are names that another state has, where one remedy is that of all."""
    groups: dict[object, list[Diagnostic]] = {}
    for index, one in enumerate(problems):
        summary = None if one.code == "name-taken" and one.hint and one.about else one.summary
        same = (one.severity, one.code, summary, one.hint, one.detail, one.also)
        groups.setdefault(index if paint.verbose or one.position is None else same, []).append(one)
    many = {id(one): these for these in groups.values() if len(these) > _APART for one in these}
    return [many.get(id(one), [one]) for one in problems if many.get(id(one), [one])[0] is one]


def _in_places(these: Sequence[Diagnostic], paint: Paint) -> str:
    """One problem, and where else it is."""
    first, *others = these
    if not others:
        return one(first, paint)
    if any(other.summary != first.summary for other in others):
        said = [shown(name, 300) for name in ranges((other.about or "" for other in others), paint.dots)]
        what = f"and {len(others):,} more like it"
    else:
        said = [shown(str(other.position), 300) for other in others]
        what = f"and in {len(others):,} more places"
    rest = f" and {left:,} more; --verbose shows each" if (left := len(said) - _ALIKE) > 0 else ""
    more = wrapped(f"{what}: {', '.join(said[:_ALIKE])}{rest}", "  ", "    ", paint.width)
    return "\n".join([one(first, paint), *more])


def one(problem: Diagnostic, paint: Paint) -> str:
    """One problem, as a compiler would show it."""
    word = paint(problem.severity + ":", _STYLES[problem.severity], "bold")
    lines = wrapped(f"{word} {paint.typed(shown(problem.summary, 1000))}", "", "  ", paint.width)
    place = problem.position
    if place is not None:
        lines.append(f"  at {shown(str(place), 300)}")
        if problem.source is not None:
            lines += _caret(problem.source, place, paint)
    further = problem.also if paint.verbose else problem.also[:_PLACES]
    lines += [f"  {what}: {shown(str(where), 300)}" for what, where in further]
    if len(problem.also) > len(further):
        lines.append("  and at more places: --verbose shows more of them")
    if problem.detail:
        for line in problem.detail.splitlines():
            lines += wrapped(paint.typed(shown(line, 400)), "  ", "  ", paint.width)
    if problem.hint:
        lines += wrapped(f"hint: {paint.typed(shown(problem.hint, 600))}", "  ", "    ", paint.width)
    return "\n".join(lines)


def _caret(source: str, place: Position, paint: Paint) -> list[str]:
    """The source line with a caret under the column. A long line is cut to what has room, around the column."""
    number, at = str(place.line), place.column - 1
    # Escaped one by one, because an escape is longer than what it stands for.
    cells = [shown(character, 20) if character != "\t" else " " for character in source[: at + paint.width]]
    room = paint.width - len(f"  {number} | ") - 2 * len(paint.dots)
    start, end, widths = 0, len(cells), list(map(columns, cells))
    taken = sum(widths[: at + _AFTER])
    while start < at and taken > room:
        taken -= widths[start]
        start += 1
    taken = sum(widths[start:])
    while end > at + 1 and taken > room:
        end -= 1
        taken -= widths[end]
    before = paint.dots if start else ""
    after = paint.dots if end < len(source) else ""
    indent = " " * (len(before) + sum(widths[start:at]))
    return [
        f"  {number} | {before}{''.join(cells[start:end])}{after}",
        f"  {' ' * len(number)} | {indent}{paint('^', 'red', 'bold')}",
    ]
