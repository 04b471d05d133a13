"""What the tests of the configuration share: small task files, and what reading them says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from flowplan.config import Config, Source, Task, read
from flowplan.diagnostics import Diagnostic
from flowplan.errors import ConfigError

TYPE = "resources_specification: {fcp_instance: h100.8x.SXM5.IB}\n"


def read_texts(*texts: str | bytes, files: Mapping[str, bytes] | None = None) -> Config:
    """Read texts as files a.yaml, b.yaml, ..., beside `files` that they may name."""
    sources = [
        Source(f"{name}.yaml", text.encode() if isinstance(text, str) else text)
        for name, text in zip("abcdefgh", texts, strict=False)
    ]

    def read_file(source: str, path: str) -> bytes:
        if files is None or path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return files[path]

    return read(sources, read_file)


def problems_of(*texts: str | bytes, files: Mapping[str, bytes] | None = None) -> list[Diagnostic]:
    """The problems of texts that have some."""
    with pytest.raises(ConfigError) as caught:
        read_texts(*texts, files=files)
    return list(caught.value.problems)


def problem_of(*texts: str | bytes, files: Mapping[str, bytes] | None = None) -> Diagnostic:
    """The only problem."""
    found = problems_of(*texts, files=files)
    assert len(found) == 1, [line(problem) for problem in found]
    return found[0]


def task_of(text: str | bytes, files: Mapping[str, bytes] | None = None) -> Task:
    """The only task."""
    (task,) = read_texts(text, files=files).tasks.values()
    return task


def line(problem: Diagnostic) -> str:
    """A problem on one line: file:line:column: [code] summary; hint."""
    hint = f"; {problem.hint}" if problem.hint else ""
    return f"{problem.position}: [{problem.code}] {problem.summary}{hint}"


def storage(text: str, more: str = TYPE) -> str:
    return f"persistent_storage: {{{text}}}\n{more}"
