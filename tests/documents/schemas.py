"""The schemas that are shipped, and what fits them."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from flowplan.documents.schema import SHAPES, schema_of

SCHEMAS = {name: Draft202012Validator(schema_of(name)) for name in SHAPES}


def fits(name: str, body: Any) -> None:
    SCHEMAS[name].validate(body)
