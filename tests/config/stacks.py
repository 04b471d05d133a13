"""Stack files that are read, and what is wrong with them."""

from __future__ import annotations

import pytest

from flowplan.config import Config, Source, read
from flowplan.config.stack.given import Given
from flowplan.errors import ConfigError

TYPE = "resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}"


def no_file(source: str, path: str) -> bytes:
    raise AssertionError


def stack(*texts: str, **given: object) -> Config:
    sources = [Source(f"{name}.yaml", text.encode()) for name, text in zip("abcd", texts, strict=False)]
    options, environ = given.pop("options", {}), given.pop("environ", {})
    files = tuple(Source(f"{name}.vars", str(text).encode()) for name, text in given.items())
    return read(sources, no_file, Given(options, files, environ))  # type: ignore[arg-type]


def said(*texts: str, **given: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        stack(*texts, **given)
    return [
        f"{one.position}: [{one.code}] {one.summary}" + "".join(f" ({what}: {place})" for what, place in one.also)
        for one in caught.value.problems
        if one.severity == "error"
    ]
