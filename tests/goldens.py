"""The golden cases, and what happens in the cloud between their commands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.conftest import Place

CASES = Path(__file__).parent / "cases"
MASKED = ("lineage", "timestamp", "sha256", "config_sha256", "observed_sha256", "market_snapshot_id")


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        keep = value.get("size")  # the digest of a script is the same each time, and worth seeing
        return {
            key: "..." if key in MASKED and value[key] and keep is None else masked(one) for key, one in value.items()
        }
    return [masked(one) for one in value] if isinstance(value, list) else value


def outside(place: Place, text: str) -> None:
    ids = {
        one["address"]: one["id"] for one in json.loads((place.path / "flowplan.state.json").read_text())["resources"]
    }
    for line in filter(None, text.splitlines()):
        method, target, *body = re.sub(r"\{([a-z]+\.[\w.-]+)\}", lambda found: ids[found[1]], line).split(" ", 2)
        answer = place.call(method, target, " ".join(body).encode())
        assert answer.status < 300, answer
