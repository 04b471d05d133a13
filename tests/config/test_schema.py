"""The JSON Schema of task files and stack files: it says what the reader says."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowplan.config import Source, keys, read
from flowplan.config.keys.kinds import Keys
from flowplan.config.schema import schema
from flowplan.config.yaml import Findings, Mapping, Node, Scalar, Sequence, documents, read_text
from flowplan.errors import ConfigError
from tests.conftest import Place

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "tests" / "cases").rglob("*.yaml"), *(ROOT / "examples").rglob("*.yaml")])
VALIDATOR = jsonschema.Draft7Validator(schema())
# What the reader refuses by the key or the kind of a value alone, as a schema can.
BY_KIND = {"type", "unknown-key", "empty"}


def plain(node: Node) -> Any:
    """What a YAML 1.2 program makes of a node."""
    if isinstance(node, Mapping):
        return {name: plain(node.value(name)) for name in node.entries}
    if isinstance(node, Sequence):
        return [plain(one) for one in node.items]
    assert isinstance(node, Scalar)
    makers: dict[str, Any] = {"int": int, "float": float, "bool": lambda text: text.lower() == "true"}
    return None if node.kind == "null" else makers.get(node.kind, str)(node.text)


def loaded(text: str) -> list[Any]:
    found = read_text("a.yaml", text.encode(), Findings())
    return [plain(one.root) for one in documents(found)] if found is not None else []


def problems(text: str, beside: Path | None = None) -> dict[str, str]:
    """Code -> summary of what the reader refuses."""

    def read_file(source: str, path: str) -> bytes:
        return (beside / path).read_bytes() if beside else b"#!/bin/sh\n"

    try:
        read([Source("a.yaml", text.encode())], read_file)
    except ConfigError as error:
        errors = (one for one in error.problems if one.severity == "error")
        return {"no-limit" if "sets no limit" in one.summary else one.code: one.summary for one in errors}
    return {}


def objections(text: str) -> list[str]:
    return [f"{list(one.absolute_path)}: {one.message}" for body in loaded(text) for one in VALIDATOR.iter_errors(body)]


def test_it_is_a_schema_of_draft_07() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_corpus_is_judged_alike(path: Path) -> None:
    text = path.read_text()
    refused = problems(text, path.parent)
    assert bool(objections(text)) <= bool(refused), objections(text)
    if BY_KIND & refused.keys():
        assert objections(text), refused


# Where the mapping of each table stands in a file that is right but for it.
TYPED = "resources_specification: {fcp_instance: 8xh100}"
PLACES: dict[str, tuple[Keys, str]] = {
    "task": (keys.TASK, f"{TYPED}\n%s"),
    "management": (keys.MANAGEMENT, f"{TYPED}\ntask_management: {{%s}}"),
    "specification": (keys.SPECIFICATION, "resources_specification: {fcp_instance: 8xh100, %s}"),
    "advanced": (keys.ADVANCED, "resources_specification: {fcp_instance: 8xh100, advanced: {%s}}"),
    "port": (keys.PORT, f"{TYPED}\nports: [{{external: 8080, %s}}]"),
    "storage": (keys.STORAGE, f"{TYPED}\npersistent_storage: {{%s}}"),
    "create": (keys.CREATE, f"{TYPED}\npersistent_storage: {{create: {{volume_name: data, size: 1, %s}}}}"),
    "attach": (keys.ATTACH, f"{TYPED}\npersistent_storage: {{attach: {{volume_name: data, %s}}}}"),
    "local": (keys.LOCAL, f"{TYPED}\nephemeral_storage_config: {{%s}}"),
    "disk": (keys.DISK, f"{TYPED}\nephemeral_storage_config: {{mounts: [{{device: /dev/a, mount_point: /a, %s}}]}}"),
    "image": (keys.IMAGE, f"{TYPED}\ncontainer_image: {{image_name: a, %s}}"),
    "lifecycle": (keys.LIFECYCLE, f"{TYPED}\nlifecycle: {{%s}}"),
    "lifetime": (keys.LIFETIME, f"{TYPED}\nlifetime: {{%s}}"),
    "guards": (keys.GUARDS, f"{TYPED}\nguards: {{%s}}"),
    "stack": (keys.STACK_FILE, f"version: 2\ntasks: {{a: {{{TYPED}}}}}\n%s"),
    "stack task": (keys.STACK_TASK, f"version: 2\ntasks: {{a: {{{TYPED}, %s}}, b: {{{TYPED}}}}}"),
    "stack volume": (keys.STACK_VOLUME, "version: 2\nvolumes: {data: {size: 1, %s}}"),
    "after": (keys.AFTER, f"version: 2\ntasks: {{a: {{{TYPED}, depends_on: [{{task: b, %s}}]}}, b: {{{TYPED}}}}}"),
    "variable": (keys.VARIABLE, "version: 2\nvariables: {a: {%s}}"),
    "output": (keys.OUTPUT, "version: 2\noutputs: {a: {value: b, %s}}"),
    "moved": (keys.MOVED, "version: 2\nmoved: [{from: task.a, to: task.b, %s}]"),
    "removed": (keys.REMOVED, "version: 2\nremoved: [{address: task.a, %s}]"),
    "policies": (keys.POLICIES, f"version: 2\ntasks: {{a: {{{TYPED}}}}}\npolicies: {{%s}}"),
    "hours": (keys.HOURS, f"version: 2\ntasks: {{a: {{{TYPED}}}}}\npolicies: {{hours: {{time_zone: UTC, %s}}}}"),
    "hooks": (keys.HOOKS, f"version: 2\ntasks: {{a: {{{TYPED}}}}}\nhooks: {{%s}}"),
    "hook": (keys.HOOK, f"version: 2\ntasks: {{a: {{{TYPED}}}}}\nhooks: {{applied: {{command: [a], %s}}}}"),
    "watch": (keys.WATCH, f"version: 2\ntasks: {{a: {{{TYPED}}}}}\nwatch: {{%s}}"),
    "import": (keys.IMPORT, "version: 2\nimport: [{address: task.a, id: bid_a, %s}]"),
}
VALUES = ("", "true", "1", "99999999", "1.5", "0", "text", "[]", "[text]", "[1]", "[[]]", "{}", "{no-key: 1}", "'1'")
# Words that say themselves what they are of another value: with size_unit tb, for example, a size means another one.
WORDS = (
    "block",
    "nfs",
    "Block",
    "File",
    "tcp",
    "cancel",
    "high",
    "worst",
    "p90",
    "budget",
    "gb",
    "tb",
    "list",
    "placed",
)


UNKNOWN = ("no_such_key", "x-anchors")
PROBES = [(place, name) for place, (table, _) in PLACES.items() for name in (*table.known, *UNKNOWN)]


def usual_of(place: str, name: str) -> list[str]:
    """Values of all kinds, the words that the kind of a key names, and every fifth of the others, which are text to it.
    Of a key that no table knows, whatever its value is, some."""
    if name in UNKNOWN:
        return [*VALUES[::4], "block"]
    kind = repr(PLACES[place][0].fields.get(name))
    others = [word for word in WORDS if repr(word) not in kind]
    named = [word for word in WORDS if repr(word) in kind]
    return [*VALUES, *named, *others[PROBES.index((place, name)) % 5 :: 5]]


def hold_kinds(place: str, name: str, values: Iterable[str]) -> None:
    """The schema objects to nothing that the reader takes, and to all that the reader refuses by its kind."""
    for value in values:
        text = PLACES[place][1] % f"{name}: {value}" + "\n"
        refused, objected = problems(text), objections(text)
        assert bool(objected) <= bool(refused), (text, objected)
        if BY_KIND & refused.keys():
            assert objected, (text, refused)


@pytest.mark.parametrize(("place", "name"), PROBES)
def test_each_key_takes_the_kinds_of_values_that_the_schema_says(place: str, name: str) -> None:
    hold_kinds(place, name, usual_of(place, name))


@pytest.mark.slow
@pytest.mark.parametrize(("place", "name"), PROBES)
def test_each_key_takes_all_that_the_schema_says(place: str, name: str) -> None:
    hold_kinds(place, name, (*VALUES, *WORDS))


def test_every_table_of_the_reader_is_in_the_schema_with_a_sentence_for_each_key() -> None:
    for table in (one for one in vars(keys).values() if isinstance(one, Keys)):
        assert any(table is known for known, _ in PLACES.values()), table.example
        assert all(key.says.endswith(".") or key.says.endswith(("}.", "...")) for key in table.fields.values()), table
    definitions = schema()["definitions"]
    assert isinstance(definitions, dict)
    for title, made in definitions.items():
        assert all("description" in one for one in made["properties"].values()), title


def test_what_a_stack_fills_in_later_passes() -> None:
    text = (
        "version: 2\nvariables: {n: {type: int, default: 2}, m: {type: list, default: [8080]}}\n"
        "defaults: {resources_specification: {fcp_instance: 8xh100}}\n"
        "tasks: {a: {num_instances: '${var.n}', ports: '${var.m}', paused: '${env.PAUSED}'}}\n"
        "volumes: {data: {size: '${var.n}', disk_interface: '${env.KIND}'}}\n"
    )
    assert objections(text) == []
    assert objections(text.replace("default: 2", "default: 2, sensitive: '${var.m}'")) != []
    assert objections(text.replace("'${var.n}'", "'2'")) != []


def test_the_command_prints_it(place: Place) -> None:
    assert json.loads(place.ok("schema")) == schema()
