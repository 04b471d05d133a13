"""startup_script, startup_script_file and container_image: what runs on the instance. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from flowplan.config import keys
from flowplan.config.values import Grammar, Section, as_text, open_section, text
from flowplan.document import SIZE_LIMIT, Document, Node, Scalar, quoted
from flowplan.errors import shown
from flowplan.resources import ContainerImage, Script

# (the source's name, the path written in it) -> the bytes. Raises OSError.
ReadFile = Callable[[str, str], bytes]

_PRINTABLE = re.compile(r"[ -~]", re.ASCII)
_FILE = Grammar(re.compile(r"[ -~\w]*[!-~\w]"), re.compile(r"[ -~\w]"), "the path of a file", 1024)
PATH = Grammar(
    re.compile(r"[!-,.-~](?:[ -~]*[!-~])?", re.ASCII),
    _PRINTABLE,
    "a path of printable ASCII that does not begin with '-'",
    1024,
)
_OPTIONS = Grammar(re.compile(r"[ -~]*", re.ASCII), _PRINTABLE, "one line of printable ASCII", 4096)
_WORD = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
IMAGE = Grammar(
    re.compile(
        rf"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{{1,5}})?/)?{_WORD}(?:/{_WORD})*"
        r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
        re.ASCII,
    ),
    re.compile(r"[A-Za-z0-9._/:@-]", re.ASCII),
    "an image such as nvcr.io/nvidia/pytorch:24.05-py3",
    512,
)


# ---- the script -------------------------------------------------------------------------------------------


def read_script(task: Section, read_file: ReadFile) -> Script | None:
    """The user's own bytes: nothing is substituted in them. An empty script is none."""
    if task.has("startup_script") and task.has("startup_script_file"):
        also = (("startup_script is here", task.node.key("startup_script")),)
        summary = "startup_script and startup_script_file are both given"
        task.document.problem(
            task.at("startup_script_file"), summary, "keep one of the two", code="conflict", also=also
        )
        return None
    if task.has("startup_script_file"):
        return _from_file(task, read_file)
    return _from_text(task)


def _from_text(task: Section) -> Script | None:
    node = task.node.get("startup_script")
    if node is None:
        return None
    document = task.document
    if isinstance(node, Scalar) and node.kind == "null":
        hint = "write `startup_script: |` and the script, indented, below it"
        document.problem(node, "startup_script has no value", hint, code="empty")
        return None
    scalar = as_text(document, node, "startup_script")
    if scalar is None:
        return None
    _warn_if_folded(document, scalar)
    _warn_of_comment(task, scalar)
    written = "\r" in document.raw(scalar) or "\r\n" in scalar.text
    return _script(document, scalar, scalar.text, "startup_script", crlf=written)


def _warn_if_folded(document: Document, scalar: Scalar) -> None:
    """`>` and plain texts join their lines with blanks, which is hardly ever what a script wants."""
    if scalar.style == ">" or (not scalar.style and scalar.start.line != scalar.end.line):
        hint = "write `startup_script: |` to keep the lines"
        summary = "the lines of this startup_script are joined into one"
        document.problem(scalar, summary, hint, code="folded", severity="warning")


def _warn_of_comment(task: Section, scalar: Scalar) -> None:
    """`startup_script: #!/bin/bash` begins a comment, and the script is what follows."""
    key = task.node.key("startup_script")
    if "#!" in task.document.text.content[key.end.index : scalar.start.index]:
        hint = "write `startup_script: |` and the #! line below it"
        summary = "the #! line is a comment here, and no part of the script"
        task.document.problem(key, summary, hint, code="comment", severity="warning")


def _from_file(task: Section, read_file: ReadFile) -> Script | None:
    path, node, document = text(task, "startup_script_file", _FILE), task.at("startup_script_file"), task.document
    if path is None:
        return None
    try:
        data = read_file(document.text.file, path)
    except OSError as error:
        summary = f"{shown(path)} cannot be read: {shown(error.strerror or str(error))}"
        document.problem(node, summary, "the path is relative to the task file", code="file")
        return None
    if len(data) > SIZE_LIMIT:
        document.problem(node, f"{shown(path)} is larger than {SIZE_LIMIT // 1_000_000} MB", code="too-large")
        return None
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        summary = f"{shown(path)} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start:,}"
        document.problem(node, summary, "a startup script is a text", code="encoding")
        return None
    return _script(document, node, content, shown(path), crlf="\r\n" in content)


def _script(document: Document, node: Node, content: str, name: str, *, crlf: bool) -> Script | None:
    if "\0" in content:
        line = content.count("\n", 0, content.index("\0")) + 1
        document.problem(node, f"{name} has a NUL character in its line {line}", "delete it", code="character")
        return None
    if crlf:
        summary = f"{name} has Windows line ends (CRLF); they are sent as LF"
        hint = "save the file with LF: bash takes a CR for a part of the command"
        document.problem(node, summary, hint, code="crlf", severity="warning")
        content = content.replace("\r\n", "\n")
    _warn_of_token(document, node, content, name)
    return Script.of(content) if content else None


# What common services' secrets look like, or a literal assigned to a name that says so.
_TOKEN = re.compile(
    r"\b(?:fkey_|hf_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abprs]-)[A-Za-z0-9_-]{16,}|\bAKIA[0-9A-Z]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|(?:API_?KEY|TOKEN|SECRET|PASSWORD)\w*=(?:'[^'$]{12,}|\"[^\"$]{12,}|[^\s'\"$()`]{12,})",
    re.IGNORECASE,
)


def _warn_of_token(document: Document, node: Node, content: str, name: str) -> None:
    """Whoever may read the bid may read its script."""
    found = _TOKEN.search(content)
    if found is not None:
        line = content.count("\n", 0, found.start()) + 1
        summary = f"{name} seems to hold a secret in its line {line}; whoever may read the bid can read it"
        hint = "let the script fetch it when it runs, or read it from a volume"
        document.problem(node, summary, hint, code="token", severity="warning")


# ---- the image --------------------------------------------------------------------------------------------


def read_image(task: Section) -> ContainerImage | None:
    """`container_image`, or None; its problems are reported."""
    section = open_section(task.document, task.get("container_image"), "container_image", keys.IMAGE)
    if section is None:
        return None
    if section.lacks("image_name"):
        hint = f"write {keys.IMAGE.example}"
        section.document.problem(section.node, "container_image has no image_name", hint, code="missing")
    name = text(section, "image_name", IMAGE)
    context, options = text(section, "build_context", PATH), text(section, "run_options", _OPTIONS)
    if options:
        _check_words(section, options)
    return ContainerImage(name, context, options or None) if name is not None else None


def _check_words(section: Section, options: str) -> None:
    try:
        shlex.split(options)
    except ValueError as error:
        summary = f"run_options {quoted(options)} cannot be split into words: {str(error).lower()}"
        hint = "it is read as a shell reads a command line: close every quote"
        section.document.problem(section.at("run_options"), summary, hint, code="value")
