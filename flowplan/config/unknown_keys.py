"""Keys that are not known: what is said of one, and which known one was probably meant. Pure."""

from __future__ import annotations

import re

from flowplan.config.keys import HOMES, MEANINGS, STACK, Keys
from flowplan.config.yaml import Document, Node, quoted, strange_character
from flowplan.diagnostics import looks_like
from flowplan.masking import looks_secret

_ALIKE = 0.75  # of two keys that are one with a slip; below it they only have letters in common


def report(document: Document, node: Node, key: str, keys: Keys, within: str, title: str) -> set[str]:
    """Report `key`, at `node` of the section `title`, which has `keys` and is called `within` by messages. Returns the
    known ones that it was probably meant to be."""
    meant = looks_like(key, keys.known, _ALIKE)
    misspelt = {meant} if meant else set()
    if looks_secret(key):
        hint = "set FLOWPLAN_API_KEY in the environment; a credential in a file soon ends up in a repository"
        document.problem(node, f"{quoted(key)}: credentials are not read from files", hint, code="credential")
        return misspelt
    hint, others = _remedy(key, keys, title)
    where = f" in {within}" if within else ""
    summary, detail = f"unknown key {quoted(key)}{where}", strange_character(key)
    document.problem(node, summary, hint, detail=detail, code="unknown-key")
    return misspelt | others


def _remedy(key: str, keys: Keys, title: str) -> tuple[str, set[str]]:
    """What to do about `key`; and the known keys that it names."""
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
    return _home_of(key, title) or f"known here: {', '.join(keys.known)}", set()


def _home_of(key: str, title: str) -> str | None:
    """Where `key` belongs, if not in the section `title`; None: nothing is like it."""
    if HOMES.get(key, title) != title:
        return f"it belongs in {HOMES[key]}" if HOMES[key] else "it belongs at the top of the task"
    if key in STACK:
        return "it belongs in a stack file (version: 2)"
    elsewhere = looks_like(key, HOMES, _ALIKE)
    return f"did you mean '{elsewhere}', in {HOMES[elsewhere] or 'the task itself'}?" if elsewhere else None
