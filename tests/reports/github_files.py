"""The files of a GitHub runner, as it reads them."""

from __future__ import annotations


def parsed(text: str) -> dict[str, str]:
    """As GitHub's runner reads $GITHUB_OUTPUT."""
    lines, found = text.splitlines(keepends=True), {}
    while lines:
        name, end = lines.pop(0).rstrip("\n").split("<<")
        value = []
        while (line := lines.pop(0)) != f"{end}\n":
            value.append(line)
        found[name] = "".join(value).removesuffix("\n")
    return found
