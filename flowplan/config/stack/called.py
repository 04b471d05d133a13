"""What stack files call their stack: `name`, which is read by itself, also of files that cannot be read whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from flowplan.config.config import Source
from flowplan.config.stack.where import is_stack
from flowplan.config.yaml import Findings, Mapping, Scalar, TooManyProblems, documents, read_text


def names(sources: Iterable[Source]) -> frozenset[str] | None:
    """What `sources` call it; none: they leave that to the directory. None: that cannot be made out."""
    found: set[str] = set()
    for source in sources:
        findings = Findings()
        try:
            text = read_text(source.name, source.data, findings)
            roots = [] if text is None else [one.root for one in documents(text, required=False) if is_stack(one)]
        except TooManyProblems:
            return None
        for root in roots:
            node = root.get("name") if isinstance(root, Mapping) else None
            if node is None:
                continue
            if not isinstance(node, Scalar) or "${" in node.text:  # no value is known here
                return None
            found.add(node.text)
        if text is None or findings.has_errors:
            return None
    return frozenset(found)
