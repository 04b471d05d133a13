"""Where a stack keeps its state: `state` of a stack file, which is read by itself, before anything else is, and also
from a file that cannot be read whole. Pure.

Every command goes by it, also one that is given no variables: so it holds no `${...}`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from flowplan.classes import frozen
from flowplan.config import keys
from flowplan.config.config import Source, StatePlace
from flowplan.config.section import Section
from flowplan.config.values import as_text
from flowplan.config.yaml import Document, Findings, Mapping, Node, Scalar, TooManyProblems, documents, read_text
from flowplan.diagnostics import Position
from flowplan.masking import holds_token, looks_secret, masked
from flowplan.patterns import regex
from flowplan.printable import shown

KEY = "state"
_URL = regex(r"([A-Za-z][A-Za-z0-9+.-]+)://(?:([^/?#]*)@)?[^?#]*(?:\?([^#]*))?.*", re.DOTALL)
# Where a client finds the credentials that a URL would hold.
_HTTP = "FLOWPLAN_HTTP_USERNAME and FLOWPLAN_HTTP_PASSWORD"
_POSTGRES = "PGPASSWORD, or have a ~/.pgpass"
_CREDENTIALS = {
    "http": _HTTP,
    "https": _HTTP,
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "postgres": _POSTGRES,
    "postgresql": _POSTGRES,
}
# What a file that says nothing of a state does not hold: most are read once only.
_MAY_SAY = regex(rb"\bstate[\"']?\s*:|\0")
_AT_THE_LEFT = regex(r"^[\"']?state[\"']?[ \t]*:(?:[ \t]+(.*?))?[ \t]*(?:[ \t]#.*)?$", re.MULTILINE)
_PLAIN = regex(r"([\"']?)([^\s\"'#&*!|>{}\[\]%@`][^\"'\\]*)\1")
_KEY_AT_THE_LEFT = regex(r"^[A-Za-z_][\w-]*[ \t]*:", re.MULTILINE)


@frozen
class Found:
    """What files say of where the state is. `place` None: nothing. `problems`: what is wrong with how they say it;
    `unclear`: files that may say something and cannot be read that far."""

    place: StatePlace | None
    problems: Findings
    unclear: tuple[str, ...]


def find_place(sources: Iterable[Source]) -> Found:
    """Where `sources` say that the state is, each read only as far as that takes."""
    problems, places, unclear = Findings(), [], []
    for source in sources:
        if not (b"state" in source.data or b"\0" in source.data) or not _MAY_SAY.search(source.data):
            continue
        said = _said_in(source, problems)
        if said is None:
            unclear.append(source.name)
        else:
            places += said
    return Found(one_place(places, problems), problems, tuple(unclear))


def is_stack(document: Document) -> bool:
    """Whether `document` says that it is one of a stack file."""
    return document.says("version") == keys.STACK_VERSION


def read_place(section: Section) -> StatePlace | None:
    """What `state` of one document says; None: nothing, or a problem was reported."""
    node = section.get(KEY)
    found = None if node is None else as_text(section.document, node, KEY)
    if found is None:
        return None
    if (problem := _problem(found.text)) is not None:
        summary, hint, code = problem
        section.document.problem(found, summary, hint, code=code, excerpt=code != "credential")
        return None
    return StatePlace(found.text, section.document.position(found))


def one_place(places: Sequence[StatePlace], findings: Findings) -> StatePlace | None:
    """The place that all `places` mean; one that differs from the first is reported."""
    for other in places[1:]:
        if target(other) != target(places[0]):
            findings.texts[other.position.file].problem(
                other.position,
                f"{KEY} is {shown(other.text)} here, and {shown(places[0].text)} in another document of this stack",
                "a stack has one state: keep one of the two",
                code="conflict",
                also=(("the other one", places[0].position),),
            )
    return next(iter(places), None)


def target(place: StatePlace) -> str:
    """What it names: a URL or what is in a home (~) as it is written, another file from where the names of the files of
    the configuration start."""
    if "://" in place.text or place.text.startswith("~"):
        return place.text
    return posixpath.normpath(PurePosixPath(place.position.file).parent / place.text)


def _problem(text: str) -> tuple[str, str, str] | None:
    """What is wrong with a place: summary, hint and code; None: nothing."""
    if not text.strip():
        return f"{KEY} is empty", "name a file or a URL, or delete the key", "empty"
    if "\0" in text:
        return f"{KEY} has a NUL character", "delete it: no file name can hold one", "character"
    if "${" in text:
        hint = "write the place out; for several environments give --state or FLOWPLAN_STATE instead"
        return f"{KEY} cannot hold ${{...}}: it is read before any value is known", hint, "value"
    url = _URL.fullmatch(text)
    if url is not None and _holds_credential(url, text):
        where = _CREDENTIALS.get(url[1].lower())
        hint = f"take it out, and set {where}" if where else "take it out"
        return f"{KEY} holds a credential; everyone who reads the repository could write the state", hint, "credential"
    return None


def _holds_credential(url: re.Match[str], text: str) -> bool:
    """A name alone is none where a database asks for one; elsewhere it may be a token."""
    scheme, user, query = url[1].lower(), url[2] or "", url[3] or ""
    if ":" in user or (user and not scheme.startswith("postgres")) or holds_token(text):
        return True
    return any(looks_secret(one.partition("=")[0]) or masked(one) != one for one in query.split("&"))


def _said_in(source: Source, problems: Findings) -> list[StatePlace] | None:
    """What one file says; None: that cannot be made out."""
    findings = Findings()
    try:
        text = read_text(source.name, source.data, findings)
        found = [] if text is None else list(documents(text, required=False))
    except TooManyProblems:
        return None
    if text is None:
        return None
    problems.texts[source.name] = text
    text.findings = problems
    roots = [(one, one.root) for one in found if isinstance(one.root, Mapping) and KEY in one.root.entries]
    if findings.has_errors and (not roots or len(_AT_THE_LEFT.findall(text.content)) > len(roots)):
        return _broken(source.name, text.content)
    named = [Section(one, root, "") for one, root in roots if _may_be_stack(one, root)]
    return [place for section in named if (place := read_place(section)) is not None]


def _may_be_stack(document: Document, root: Mapping) -> bool:
    """Also one whose version is missing or wrong, as far as its keys say so."""
    version: Node | None = root.get("version")
    told = isinstance(version, Scalar) and version.text.startswith("1")
    return is_stack(document) or (not told and not (keys.STACK - {KEY}).isdisjoint(root.entries))


def _broken(file: str, content: str) -> list[StatePlace] | None:
    """What the lines of a text say that is broken: one that begins with the key and says it plainly."""
    found = list(_AT_THE_LEFT.finditer(content))
    if not found:
        return [] if _KEY_AT_THE_LEFT.search(content) else None
    value = _PLAIN.fullmatch(found[0][1] or "")
    if len(found) > 1 or value is None or _problem(value[2]) is not None or _goes_on(content, found[0].end()):
        return None
    line = content.count("\n", 0, found[0].start()) + 1
    return [StatePlace(value[2], Position(file, line, found[0].start(1) - found[0].start() + 1))]


def _goes_on(content: str, end: int) -> bool:
    """Whether the value of the line that ends there may go on in the next one."""
    return re.match(r"\r?\n[ \t]+\S", content[end:]) is not None
