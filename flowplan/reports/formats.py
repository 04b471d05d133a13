"""The tables of reports: what `--format` offers, and what makes it. A new format is a row here, and its function in a
folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from flowplan.errors import UsageProblem

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.documents.failure import Failure
    from flowplan.reports.outlet import Outlet
    from flowplan.reports.text.paint import Paint


class Report(NamedTuple):
    """A function of a module, imported when it is called: it takes what the subject is reported from, and a Paint, and
    returns the whole text. `whole`: it gets everything, and the failure too, as what a program reads does. `bounded`:
    the function also takes how many bytes it may return, which `max_bytes` says, if not the function itself.
    `commands`: its lines are commands, which a CI runner is to obey. `history`: it draws past prices. `scripts`: it
    shows startup scripts, where they are in the document."""

    module: str
    function: str
    whole: bool = False
    bounded: bool = False
    commands: bool = False
    max_bytes: int | None = None
    history: bool = False
    scripts: bool = False

    def __call__(self, subject: Any, paint: Paint) -> str:
        text: Callable[..., str] = getattr(import_module(self.module), self.function)
        return text(subject, paint) if self.max_bytes is None else text(subject, paint, self.max_bytes)


class Running(NamedTuple):
    """As a Report, of what is reported while it happens: the function takes an Outlet, and returns a Reporter."""

    module: str
    function: str
    whole: bool = False

    def __call__(self, outlet: Outlet) -> Reporter:
        made: Callable[[Outlet], Reporter] = getattr(import_module(self.module), self.function)
        return made(outlet)


_TEXT = "flowplan.reports.text."
_JSON = "flowplan.reports.json"
_HTML = "flowplan.reports.html."

# (subject, format) -> report; of each subject the first is the default.
REPORTS: dict[tuple[str, str], Report] = {
    ("init", "text"): Report(_TEXT + "init", "text"),
    ("init", "json"): Report(_JSON, "init", whole=True),
    ("validate", "text"): Report(_TEXT + "diagnostics", "checked"),
    ("validate", "json"): Report(_JSON, "checked", whole=True),
    ("validate", "github"): Report("flowplan.reports.github.validate", "lines", whole=True, commands=True),
    ("validate", "sarif"): Report("flowplan.reports.sarif", "checked", whole=True),
    ("validate", "junit"): Report("flowplan.reports.junit", "checked", whole=True),
    ("validate", "gitlab-codequality"): Report("flowplan.reports.codequality", "checked", whole=True),
    ("fmt", "names"): Report(_TEXT + "fmt", "names"),
    ("fmt", "diff"): Report(_TEXT + "fmt", "diff"),
    ("explain", "text"): Report(_TEXT + "explain", "text"),
    ("explain", "json"): Report(_JSON, "explain", whole=True),
    ("convert", "text"): Report(_TEXT + "convert", "text"),
    ("convert", "json"): Report(_JSON, "document", whole=True),
    ("plan", "text"): Report(_TEXT + "plan", "text", scripts=True),
    ("plan", "json"): Report(_JSON, "document", whole=True, scripts=True),
    ("plan", "markdown"): Report("flowplan.reports.markdown.plan", "comment", whole=True, bounded=True),
    ("plan", "github"): Report("flowplan.reports.github.plan", "lines", whole=True, commands=True),
    ("plan", "gitlab-terraform"): Report(_JSON, "gitlab", whole=True),
    ("plan", "html"): Report(_HTML + "page", "page", whole=True, history=True),
    ("state", "text"): Report(_TEXT + "state", "whole"),
    ("state", "json"): Report(_JSON, "state", whole=True),
    ("pulled", "json"): Report(_JSON, "state", whole=True),
    ("addresses", "text"): Report(_TEXT + "state", "addresses"),
    ("addresses", "json"): Report(_JSON, "addresses", whole=True),
    ("resource", "text"): Report(_TEXT + "state", "resource"),
    ("resource", "json"): Report(_JSON, "resource", whole=True),
    ("history", "text"): Report(_TEXT + "history", "history"),
    ("history", "json"): Report(_JSON, "history", whole=True),
    ("released", "text"): Report(_TEXT + "state", "released"),
    ("released", "json"): Report(_JSON, "released", whole=True),
    ("moved", "text"): Report(_TEXT + "state", "moved"),
    ("moved", "json"): Report(_JSON, "moved", whole=True),
    ("pushed", "text"): Report(_TEXT + "state", "pushed"),
    ("pushed", "json"): Report(_JSON, "pushed", whole=True),
    ("recovered", "text"): Report(_TEXT + "state", "recovered"),
    ("recovered", "json"): Report(_JSON, "recovered", whole=True),
    ("rekeyed", "text"): Report(_TEXT + "state", "rekeyed"),
    ("rekeyed", "json"): Report(_JSON, "rekeyed", whole=True),
    ("migrated", "text"): Report(_TEXT + "state", "migrated"),
    ("migrated", "json"): Report(_JSON, "migrated", whole=True),
    ("restored", "text"): Report(_TEXT + "state", "restored"),
    ("restored", "json"): Report(_JSON, "restored", whole=True),
    ("put_back", "text"): Report(_TEXT + "history", "put_back"),
    ("put_back", "json"): Report(_JSON, "put_back", whole=True),
    ("lock", "text"): Report(_TEXT + "lock", "text"),
    ("lock", "json"): Report(_JSON, "lock", whole=True),
    ("status", "text"): Report(_TEXT + "status", "text"),
    ("status", "json"): Report(_JSON, "status", whole=True),
    ("status", "html"): Report(_HTML + "status", "page"),
    ("cost", "text"): Report(_TEXT + "track_record", "text"),
    ("cost", "json"): Report(_JSON, "document", whole=True),
    ("market", "text"): Report(_TEXT + "market", "text"),
    ("market", "json"): Report(_JSON, "market", whole=True),
    ("offers", "text"): Report(_TEXT + "offers", "text"),
    ("offers", "json"): Report(_JSON, "offers", whole=True),
    ("books", "text"): Report(_TEXT + "book", "text"),
    ("books", "json"): Report(_JSON, "books", whole=True),
    ("orphans", "text"): Report(_TEXT + "orphans", "text"),
    ("orphans", "json"): Report(_JSON, "orphans", whole=True),
    ("output", "text"): Report(_TEXT + "outputs", "text"),
    ("output", "raw"): Report(_TEXT + "outputs", "raw"),
    ("output", "json"): Report(_JSON, "document", whole=True),
    ("test", "text"): Report(_TEXT + "test", "text"),
    ("test", "json"): Report(_JSON, "test", whole=True),
    ("test", "junit"): Report("flowplan.reports.junit", "test", whole=True),
    ("doctor", "text"): Report(_TEXT + "doctor", "text"),
    ("doctor", "json"): Report(_JSON, "doctor", whole=True),
    ("schema", "json"): Report(_JSON, "document", whole=True),
    ("graph", "dot"): Report(_TEXT + "graph", "dot"),
    ("graph", "mermaid"): Report(_TEXT + "graph", "mermaid"),
    ("graph", "svg"): Report("flowplan.reports.svg.graph", "svg", whole=True),
    ("graph", "json"): Report(_JSON, "graph", whole=True),
    ("failure", "json"): Report(_JSON, "failure", whole=True),
    ("failure", "junit"): Report("flowplan.reports.junit", "failure", whole=True),
}

# format -> what reports on an apply or a destroy while it runs
RUNNING: dict[str, Running] = {
    "text": Running(_TEXT + "progress", "lines"),
    "json": Running("flowplan.reports.events", "lines", whole=True),
}
# The one for people who watch it at a terminal that moves its cursor.
BOARD = Running(_TEXT + "board", "lines")


# subject -> (module, function) that makes of a Failure what the reports of the subject take
FAILED: dict[str, tuple[str, str]] = {
    "plan": ("flowplan.documents.plan", "failed"),
    "validate": ("flowplan.documents.validate", "unchecked"),
}


def formats_of(subject: str) -> list[str]:
    """What `--format` offers for a subject, the default first."""
    return [form for of, form in REPORTS if of == subject]


def report_of(subject: str, form: str, max_bytes: int | None = None) -> Report:
    """The report of a subject in a format, of at most `max_bytes`. Raises UsageProblem where there is none, and for a
    size of what is never cut."""
    found = REPORTS.get((subject, form))
    if found is None:
        from flowplan.diagnostics import candidates

        raise UsageProblem(f"--format: there is no {form} of the {subject}", hint=candidates(form, formats_of(subject)))
    if max_bytes is not None and not found.bounded:
        raise UsageProblem(f"--max-bytes: --format {form} is never cut", hint="it cuts --format markdown")
    return found._replace(max_bytes=max_bytes)


def hold_shown(report: Report, form: str, *, scripts: bool) -> None:
    """Raise UsageProblem where startup scripts are asked for, and a report in the format `form` shows none."""
    if scripts and not report.scripts:
        raise UsageProblem(f"--show-scripts: --format {form} shows no scripts", hint="text and json show them")


def failed(subject: str, form: str, failure: Failure, max_bytes: int | None = None) -> tuple[Report, Any] | None:
    """The report of a failure for a program that asked for a subject in a format, and what it takes; None: this format
    has no place for it. Where it can be cut, it has at most `max_bytes`."""
    row = REPORTS.get((subject, form))
    if row is None or not row.whole:
        return None
    row = row._replace(max_bytes=max_bytes if row.bounded else None)
    if subject in FAILED:
        module, function = FAILED[subject]
        return row, getattr(import_module(module), function)(failure)
    own = REPORTS.get(("failure", form))
    return None if own is None else (own, failure)
