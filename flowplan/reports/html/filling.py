"""Templates of pages, filled in: whatever a value is, it is text, fit for one line and escaped."""

from __future__ import annotations

import base64
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound
from markupsafe import Markup

from flowplan.printable import inert
from flowplan.reports.svg import course, graph
from flowplan.reports.svg.colours import variables, within

_ROOM = "flowplan.reports.html"


class _Packaged(BaseLoader):
    """The templates beside this file, wherever the package is."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, None]:
        try:
            return part(template), template, None
        except OSError:
            raise TemplateNotFound(template) from None


def filled(template: str, **values: object) -> str:
    """The page that a template makes of `values`. Raises UndefinedError for a value that it lacks."""
    return _environment().get_template(template).render(**values)


def framed(title: str, body: str, script: str = "") -> str:
    """A whole page: complete in itself, and nothing in it may run but `script`, nor be fetched at all."""
    sheet = style()
    return filled(
        "page.html.j2",
        title=title,
        style=Markup(sheet),  # noqa: S704 - a file of ours
        style_digest=_digest(sheet),
        script=Markup(script),  # noqa: S704 - a file of ours
        script_digest=_digest(script),
        body=Markup(body),  # noqa: S704 - filled in by `filled`
    )


@cache
def part(name: str) -> str:
    """A file of this folder."""
    return files(_ROOM).joinpath(name).read_text(encoding="utf-8")


@cache
def style() -> str:
    """The style sheet, with what pictures need of it."""
    pictures = [within(".graph svg", graph.RULES), within(".course svg", course.RULES)]
    return "\n".join([variables(graph.COLOURS, course.COLOURS), *pictures, part("page.css")])


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=_Packaged(),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters["number"] = "{:,}".format
    return environment


def _harmless(value: object) -> object:
    return value if isinstance(value, Markup) else inert(str(value))


def _digest(text: str) -> str:
    """As a content security policy names it."""
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"
