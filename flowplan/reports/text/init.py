"""What `init` wrote -> text: each file, what is left to fill in, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator

from flowplan.documents.init import FILE, IGNORED, Started
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, wrapped


def text(done: Started, paint: Paint) -> str:
    """The whole of it."""
    above, below = [*_files(done, paint.width), *_open(done, paint)], _next(done, paint)
    return "\n".join([*above, "", paint("Next:", "bold"), *below]) + "\n"


def _files(done: Started, width: int) -> Iterator[str]:
    for name in sorted(done.written, reverse=True):
        yield from wrapped(f"wrote {shown(done.path(name))}: {done.purposes[name]}", "", "  ", width)
    for name in sorted(done.left, reverse=True):
        yield from wrapped(f"left {shown(done.path(name))} as it is", "", "  ", width)
    if done.to_ignore:
        yield from wrapped(f"add to {shown(done.path(IGNORED))}: {'  '.join(done.to_ignore)}", "", "  ", width)


def _open(done: Started, paint: Paint) -> Iterator[str]:
    known, width = done.known, paint.width
    if done.unasked is not None:
        said = f"Project, SSH key and region are left open: {shown(done.unasked.summary, 300)}"
        yield from ["", *wrapped(said, "", "  ", width)]
        if done.unasked.hint:
            yield from wrapped(f"hint: {paint.typed(shown(done.unasked.hint, 500))}", "  ", "    ", width)
    for key, choice in (("project_name", known.project), ("ssh_key_name", known.ssh_key)):
        if choice.names:
            named = ", ".join(map(shown, choice.names[:6])) + (", ..." if len(choice.names) > 6 else "")
            yield from ["", *wrapped(f"Choose {key} in {shown(done.path(FILE))}: {named}", "", "  ", width)]


def _next(done: Started, paint: Paint) -> Iterator[str]:
    rows = [(paint.typed(shown(one.command)), one.purpose) for one in done.next]
    width = paint.width
    longest = max(len(command) for command, _ in rows)
    wide = any(longest + len(says) + 4 > width for _, says in rows)
    for command, says in rows:
        yield from [f"  {command}", f"      {says}"] if wide and says else [f"  {command:<{longest}}  {says}".rstrip()]
    if done.unasked is not None:
        yield from wrapped("sim: is a cloud in this process: no account, nothing to pay.", "  ", "  ", width)
