"""Keys that are not known: what is said of one, and which known one was probably meant. Pure."""

from __future__ import annotations

import re

from flowplan.config.keys import HOMES, MEANINGS, STACK, STACK_FILE, STACK_TASK, STACK_VERSION, STACK_VOLUME, Keys
from flowplan.config.yaml import Document, Mapping, Node, Scalar, Sequence, quoted, strange_character
from flowplan.diagnostics import looks_like
from flowplan.masking import looks_secret

_ALIKE = 0.75  # of two keys that are one with a slip; below it they only have letters in common
_TOP_OF_STACK = frozenset(STACK_FILE.known) - frozenset(STACK_TASK.known)


def report(document: Document, section: Mapping, key: str, keys: Keys, within: str, title: str) -> set[str]:
    """Report `key` of the `section` with this `title`, which has `keys` and is called `within` by messages. Returns the
    known ones that it was probably meant to be."""
    node = section.key(key)
    meant = looks_like(key, keys.known, _ALIKE)
    misspelt = {meant} if meant else set()
    if looks_secret(key):
        hint = "set FLOWPLAN_API_KEY in the environment; a credential in a file soon ends up in a repository"
        document.problem(node, f"{quoted(key)}: credentials are not read from files", hint, code="credential")
        return misspelt
    hint, others = _remedy(document, section, key, keys, title)
    where = f" in {within}" if within else ""
    summary, detail = f"unknown key {quoted(key)}{where}", strange_character(key)
    document.problem(node, summary, hint, detail=detail, code="unknown-key")
    return misspelt | others


def report_ignored(document: Document, key: str, where: Node, value: Node, keys: Keys) -> None:
    """Warn of `key`, which stands among names, begins with `x-` and so is none, where its `value` would be a resource
    with `keys`, and no alias refers to it or to what is in it: one that is renamed so ends without another word."""
    of_one = isinstance(value, Scalar) and value.is_null
    if isinstance(value, Mapping):
        of_one = not value.entries or not keys.every.isdisjoint(value.entries)
    if of_one and not _refers(document, value):
        hint = "give it a name that does not begin with x-; what is kept for later can be a comment"
        _ignored(document, where, key, hint)


def report_set_aside(document: Document, section: Mapping, key: str, keys: Keys) -> None:
    """Warn of `key` of a `section` with `keys`, which begins with `x-`, where the rest of it is one of these and no
    alias refers to its value or to what is in it: who reads the file takes `x-lifetime` for a lifetime."""
    where, value, name = section.key(key), section.value(key), key.removeprefix("x-")
    if name in keys.every and not _refers(document, value):
        hint = f"write {name} if it is to count; what is kept for later can be a comment"
        _ignored(document, where, key, hint)


def _ignored(document: Document, where: Node, name: str, hint: str) -> None:
    summary = f"{name} is ignored: what begins with x- is a place for anchors, and no alias refers to this one"
    document.problem(where, summary, hint, code="ignored", severity="warning")


def _refers(document: Document, root: Node) -> bool:
    """Whether an alias stands for `root`, or for something that is written in it."""
    left = [root] if document.referred else []
    while left:
        node = left.pop()
        if node.also is not None:  # it is written elsewhere, and shown here by an alias or a merge
            continue
        if node.start.index in document.referred:
            return True
        if isinstance(node, Sequence):
            left += node.own
        elif isinstance(node, Mapping):
            left += [value for _, value in node.entries.values()]
    return False


def _remedy(document: Document, section: Mapping, key: str, keys: Keys, title: str) -> tuple[str, set[str]]:
    """What to do about `key` of `section`; and the known keys that it names."""
    plain = key.lower().replace("-", "_")
    hint = keys.instead.get(key) or (MEANINGS.get(plain) if key not in HOMES and key not in STACK else None)
    if hint is not None:
        return hint, {known for known in re.findall(r"\w+", hint) if known in keys.every}
    name, colon, _ = key.partition(":")
    if colon and name in HOMES:
        return f"a space is missing after the ':' of '{name}: '", {name}
    near = looks_like(key, keys.known, _ALIKE)
    if near and key not in HOMES:
        return f"did you mean '{near}'?", set()
    if keys is STACK_FILE and (kind := _resource_in(section.value(key))):
        return f"indent it: it belongs under {kind}", {kind}
    in_stack = document.says("version") == STACK_VERSION
    home = (_home_in_stack(key, keys) if in_stack else None) or _home_of(key, title)
    return home or f"known here: {', '.join(keys.known)}", set()


def _resource_in(value: Node) -> str | None:
    """Where `value` belongs, at the top of a stack by its indentation; None: it is no task and no volume."""
    entries = value.entries if isinstance(value, Mapping) else ()
    if any(key in STACK_TASK.known and key not in STACK_FILE.known for key in entries):
        return "tasks"
    return "volumes" if any(key in STACK_VOLUME.required for key in entries) else None


def _home_in_stack(key: str, keys: Keys) -> str | None:
    """Where a stack has `key`, if not in the section with `keys`; None: where a task file has it, if it does."""
    if key in _TOP_OF_STACK:
        return "it belongs at the top of the stack"
    if keys is STACK_FILE and key in STACK_TASK.known:
        return "it belongs in a task, or in defaults"
    return "it belongs at the top of the task" if key in STACK else None


def _home_of(key: str, title: str) -> str | None:
    """Where a task file has `key`, if not in the section `title`; None: nothing is like it."""
    if HOMES.get(key, title) != title:
        return f"it belongs in {HOMES[key]}" if HOMES[key] else "it belongs at the top of the task"
    if key in STACK:
        return "it belongs in a stack file (version: 2)"
    elsewhere = looks_like(key, HOMES, _ALIKE)
    return f"did you mean '{elsewhere}', in {HOMES[elsewhere] or 'the task itself'}?" if elsewhere else None
