"""A command line as others may read it: those who find the lock that its run holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowplan.cloud.http.redaction import without


def told(arguments: Iterable[str], variables: Iterable[str], hidden: Iterable[str]) -> str:
    """The command line of these `arguments`, without what is `hidden`, and without what looks secret. `variables`: the
    words of --var, of which only the names are told."""
    from flowplan.masking import masked  # what who takes a lock pays: it has six patterns

    return " ".join(["flowplan", *(masked(without(word, hidden)) for word in _shown(arguments, variables))])


def _shown(arguments: Iterable[str], variables: Iterable[str]) -> Iterator[str]:
    """The words without the values of variables: only the files say which are sensitive."""
    from flowplan.masking import MASK

    values = {text: f"{text.partition('=')[0]}={MASK}" for text in variables}
    for word in arguments:
        option, equals, text = word.partition("=")
        yield f"--var={values[text]}" if option == "--var" and equals and text in values else values.get(word, word)
