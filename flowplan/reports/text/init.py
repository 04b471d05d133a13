"""What `init` wrote -> text: each file, what is left to fill in, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator

from flowplan.documents.init import FILE, IGNORED, SCHEMA, Started
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, wrapped


def text(done: Started, paint: Paint) -> str:
    """The whole of it."""
    above, below = [*_files(done, paint.width), *_open(done, paint.width)], _next(done, paint.width)
    return "\n".join([*above, "", paint("Next:", "bold"), *below]) + "\n"


def _files(done: Started, width: int) -> Iterator[str]:
    says = {FILE: f"a {done.form} to edit", SCHEMA: "your editor completes its keys", IGNORED: "what Git leaves alone"}
    for name in sorted(done.written, reverse=True):
        yield from wrapped(f"wrote {shown(done.path(name))}: {says[name]}", "", "  ", width)
    for name in sorted(done.left, reverse=True):
        yield from wrapped(f"left {shown(done.path(name))} as it is", "", "  ", width)
    if done.to_ignore:
        yield from wrapped(f"add to {shown(done.path(IGNORED))}: {'  '.join(done.to_ignore)}", "", "  ", width)


def _open(done: Started, width: int) -> Iterator[str]:
    known = done.known
    if done.unasked is not None:
        said = f"Project, SSH key and region are left open: {shown(done.unasked.summary, 300)}"
        yield from ["", *wrapped(said, "", "  ", width)]
        if done.unasked.hint:
            yield from wrapped(f"hint: {shown(done.unasked.hint, 500)}", "  ", "    ", width)
    for key, choice in (("project_name", known.project), ("ssh_key_name", known.ssh_key)):
        if choice.names:
            named = ", ".join(map(shown, choice.names[:6])) + (", ..." if len(choice.names) > 6 else "")
            yield from ["", *wrapped(f"Choose {key} in {shown(done.path(FILE))}: {named}", "", "  ", width)]


def _next(done: Started, width: int) -> Iterator[str]:
    api_url = "sim:" if done.unasked is not None else done.api_url
    url = f" --api-url {shown(api_url)}" if api_url else ""
    rows = [(f"cd {shown(done.directory)}", "")] if done.directory else []
    rows += [(f"flowplan plan{url}", "what it would make and cost; changes nothing")]
    if done.unasked is None:
        rows += [
            (f"flowplan apply{url}", "make it, once you have typed yes"),
            (f"flowplan destroy{url}", "end it: until then it costs money"),
        ]
    if done.unasked is not None:
        rows += [("flowplan doctor", "what is missing for a real account")]
    longest = max(len(command) for command, _ in rows)
    wide = any(longest + len(says) + 4 > width for _, says in rows)
    for command, says in rows:
        yield from [f"  {command}", f"      {says}"] if wide and says else [f"  {command:<{longest}}  {says}".rstrip()]
    if done.unasked is not None:
        yield from wrapped("sim: is a cloud in this process: no account, nothing to pay.", "  ", "  ", width)
