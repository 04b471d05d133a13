"""Values of a task file that look like credentials, wherever they stand. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from flowplan.config.yaml import Document, Mapping, Node, Scalar, Sequence
from flowplan.masking import holds_token

# What has a warning of its own.
_ELSEWHERE = frozenset(("startup_script", "run_options", "build_context"))


def warn_of_keys(document: Document) -> None:
    """A value that begins as the keys of common services do is warned of: names travel in clear, and files are
    soon in a repository. An anchor's value is reported once, where it is written."""
    for node in _scalars(document.root):
        if holds_token(node.text):
            summary = "this seems to be a credential; it would be sent, shown and stored unmasked"
            hint = "remove it from the file and from the file's history"
            document.problem(node, summary, hint, code="token", severity="warning", excerpt=False)


def _scalars(root: Node) -> Iterator[Scalar]:
    """The texts under `root`, each once, however many aliases lead to it."""
    left: list[Node] = [root]
    while left:
        node = left.pop()
        if node.alias is not None:
            continue
        if isinstance(node, Scalar):
            yield node
        elif isinstance(node, Sequence):
            left += node.own
        elif isinstance(node, Mapping):
            for name, (key, value) in node.entries.items():
                left += [key] if name in _ELSEWHERE else [key, value]
