"""startup_script, startup_script_file and container_image: what runs on the instance. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from flowplan import masking
from flowplan.config import keys
from flowplan.config.section import Section, open_section
from flowplan.config.values import Grammar, as_text, text
from flowplan.config.yaml import SIZE_LIMIT, Document, Node, Scalar, Secretive, quoted
from flowplan.masking import secret_in
from flowplan.model.resources import ContainerImage, Script
from flowplan.patterns import regex
from flowplan.printable import shown

# (the source's name, the path written in it) -> the bytes. Raises OSError.
ReadFile = Callable[[str, str], bytes]

_PRINTABLE = regex(r"[ -~]", re.ASCII)
_REFERENCE = regex(r"\$\{(?:each|env|task|var|volume)\.[A-Za-z_][\w.-]{0,60}\}")
_FILE = Grammar(regex(r"[ -~\w]*[!-~\w]"), regex(r"[ -~\w]"), "the path of a file", 1024)
PATH = Grammar(
    regex(r"[!-,.-~](?:[ -~]*[!-~])?", re.ASCII),
    _PRINTABLE,
    "a path of printable ASCII that does not begin with '-'",
    1024,
)
_OPTIONS = Grammar(regex(r"[ -~]*", re.ASCII), _PRINTABLE, "one line of printable ASCII", 4096)
_WORD = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
IMAGE = Grammar(
    regex(
        rf"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{{1,5}})?/)?{_WORD}(?:/{_WORD})*"
        r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
        re.ASCII,
    ),
    regex(r"[A-Za-z0-9._/:@-]", re.ASCII),
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
    _warn_of_references(document, scalar)
    return _script(document, scalar, scalar.text, "startup_script", joined="\r" in document.raw(scalar))


def _warn_if_folded(document: Document, scalar: Scalar) -> None:
    """`>` and plain texts join their lines with spaces, which is hardly ever what a script wants."""
    if scalar.style == ">" or (not scalar.style and scalar.start.line != scalar.end.line):
        hint = "write `startup_script: |` to keep the lines"
        summary = "the lines of this startup_script are joined into one"
        document.problem(scalar, summary, hint, code="folded", severity="warning")


def _warn_of_comment(task: Section, scalar: Scalar) -> None:
    """`startup_script: #!/bin/bash` begins a comment, and the script is what follows."""
    key = task.node.key("startup_script")
    if "#!" in task.document.text.content[key.end.index : scalar.start.index]:
        hint = "write `startup_script: |` and the #! line below it"
        summary = "the #! line is a comment here and not part of the script"
        task.document.problem(key, summary, hint, code="comment", severity="warning")


def _warn_of_references(document: Document, scalar: Scalar) -> None:
    """`${each.key}` in a script stays as it is, and bash fails on it: once for each instance, which is paid for. In the
    name of a script it is replaced."""
    found = _REFERENCE.search(scalar.text)
    if found is not None:
        summary = f"nothing is replaced in startup_script: {found[0]} stays as it is, and bash fails on it"
        hint = "write the value itself"
        if found[0].startswith("${each."):
            hint = "give each instance a script of its own: startup_script_file: run-${each.key}.sh"
        elif found[0].startswith("${var."):
            hint += f", or give each value a script of its own: startup_script_file: run-{found[0]}.sh"
        document.problem(scalar, summary, hint, code="not-replaced", severity="warning")


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
        hint = "save it as UTF-8" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "a startup script is text"
        document.problem(node, summary, hint, code="encoding")
        return None
    return _script(document, node, content, shown(path))


def _script(document: Document, node: Node, content: str, name: str, *, joined: bool = False) -> Script | None:
    if "\0" in content:
        line = content.count("\n", 0, content.index("\0")) + 1
        hint = "delete it, or save the file as UTF-8 if it is UTF-16"
        document.problem(node, f"{name} has a NUL character in its line {line}", hint, code="character")
        return None
    content = _line_ends(document, node, content, name, joined=joined)
    _warn_of_start(document, node, content, name)
    _warn_of_secret(document, node, content, name)
    return Script.of(content) if content else None


def _line_ends(document: Document, node: Node, content: str, name: str, *, joined: bool) -> str:
    """`content` with the line ends that the instance needs. A file saved with CRLF is sent with LF: one whose `#!` line
    ends so (the kernel would look for an interpreter with a CR in its name), or, without `#!`, each of its lines. All
    other bytes are the user's: they stay, with a warning. `joined`: YAML made LF of CRLF already, as it does."""
    first, newline, _ = content.partition("\n")
    windows = (
        newline and first.endswith("\r") and (first.startswith("#!") or content.count("\r\n") == content.count("\n"))
    )
    if windows or joined:
        summary = f"{name} has Windows line ends (CRLF); they are sent as LF"
        hint = "save the file with LF: bash takes a CR as part of the command"
        document.problem(node, summary, hint, code="crlf", severity="warning")
    if windows:
        content = content.replace("\r\n", "\n")
    if "\r" in content:
        at = content.index("\r")
        what = "ends in CRLF" if content[at : at + 2] == "\r\n" else "has a lone CR"
        summary = f"line {content.count(chr(10), 0, at) + 1} of {name} {what}; it is sent as it is"
        hint = "bash takes a CR as part of the command: delete it, unless you mean it"
        document.problem(node, summary, hint, code="carriage-return", severity="warning")
    return content


# What cloud-init reads of user data, and bash does not (its documentation, "User data formats").
_CLOUD_INIT = (
    "#cloud-config",
    "#cloud-boothook",
    "#include",
    "#part-handler",
    "## template:",
    "Content-Type:",
    "MIME-Version:",
)


def _warn_of_start(document: Document, node: Node, content: str, name: str) -> None:
    """What is run is decided by the first two characters."""
    start = content.lstrip()
    if start.startswith("#!") and start != content:
        summary = f"{name} has a space before its #! line, which is then only a comment: bash runs the script"
        hint = "let the script begin with #!"
        document.problem(node, summary, hint, code="shebang", severity="warning")
    found = next((word for word in _CLOUD_INIT if start.lower().startswith(word.lower())), None)
    if found is not None:
        summary = f"{name} begins with {found}, which is for cloud-init; here bash runs it as a script"
        hint = "write it as a script that begins with #!/bin/bash"
        document.problem(node, summary, hint, code="cloud-init", severity="warning")


def _warn_of_secret(document: Document, node: Node, content: str, name: str) -> None:
    """Everyone with access to the bid can read its script. The warning shows the place, not the text."""
    found = secret_in(content)
    if found is not None:
        line = content.count("\n", 0, found) + 1
        summary = f"{name} seems to hold a secret in its line {line}; everyone with access to the bid can read it"
        document.problem(node, summary, _FETCH, code="token", severity="warning", excerpt=False)


_FETCH = "let the script fetch it when it runs, or read it from a volume"


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
    _warn_of_options(section, context, options)
    return ContainerImage(name, context, options or None) if name is not None else None


def _check_words(section: Section, options: str) -> None:
    try:
        shlex.split(options)
    except ValueError as error:
        summary = f"run_options {quoted(options)} cannot be split into words: {str(error).lower()}"
        hint = "flowplan reads it as a shell reads a command line: close every quote"
        section.document.problem(section.at("run_options"), summary, hint, code="value")


def _undeclared(section: Section, options: str) -> str:
    """`options` without the values of sensitive variables."""
    node = section.get("run_options")
    for secret in filter(None, node.secrets if isinstance(node, Secretive) else ()):
        options = options.replace(secret, masking.MASKED)
    return options


def _warn_of_options(section: Section, context: str | None, options: str | None) -> None:
    """They are part of the script: everyone with access to the bid may read them. flowplan shows and keeps none of the
    values. Who declares a variable to be sensitive knows what it holds."""
    found = {
        "run_options": options is not None and masking.options(_undeclared(section, options))[1],
        "build_context": context is not None and masking.masked(context) != context,
    }
    for key in (key for key, secret in found.items() if secret):
        summary = f"{section.name(key)} seems to hold a secret; everyone with access to the bid can read it"
        section.document.problem(section.at(key), summary, _FETCH, code="token", severity="warning", excerpt=False)
