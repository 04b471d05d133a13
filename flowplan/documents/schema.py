"""The shapes of documents -> JSON Schemas (draft 2020-12). Pure; `schemas/` holds what this makes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from flowplan.documents.shapes.books import BooksDocument
from flowplan.documents.shapes.common import Decimals
from flowplan.documents.shapes.convert import ConvertDocument
from flowplan.documents.shapes.doctor import DoctorDocument
from flowplan.documents.shapes.events import Event
from flowplan.documents.shapes.explain import ExplainDocument
from flowplan.documents.shapes.failure import FailureDocument
from flowplan.documents.shapes.graph import GraphDocument
from flowplan.documents.shapes.history import HistoryDocument, PutBackDocument
from flowplan.documents.shapes.hooks import HookDocument
from flowplan.documents.shapes.init import InitDocument
from flowplan.documents.shapes.lock import LockDocument
from flowplan.documents.shapes.market import MarketDocument
from flowplan.documents.shapes.offers import OffersDocument
from flowplan.documents.shapes.orphans import OrphansDocument
from flowplan.documents.shapes.outputs import OutputValue
from flowplan.documents.shapes.plan import FailedPlan, SealedPlan
from flowplan.documents.shapes.state import (
    AddressesDocument,
    MigratedDocument,
    MovedDocument,
    PushedDocument,
    RecoveredDocument,
    RekeyedDocument,
    ReleasedDocument,
    ResourceDocument,
    RestoredDocument,
    StateDocument,
)
from flowplan.documents.shapes.status import StatusDocument
from flowplan.documents.shapes.test import TestDocument
from flowplan.documents.shapes.track_record import TrackRecord
from flowplan.documents.shapes.validate import ValidateDocument

Schema: TypeAlias = dict[str, Any]

# What is printed as JSON -> its shape. Of events the schema is that of a line.
SHAPES: Mapping[str, Any] = MappingProxyType(
    {
        "plan": SealedPlan | FailedPlan,
        "cost": TrackRecord,
        "market": MarketDocument,
        "books": BooksDocument,
        "offers": OffersDocument,
        "output": dict[str, OutputValue],
        "orphans": OrphansDocument,
        "status": StatusDocument,
        "init": InitDocument,
        "validate": ValidateDocument,
        "convert": ConvertDocument,
        "explain": ExplainDocument,
        "state": StateDocument,
        "addresses": AddressesDocument,
        "resource": ResourceDocument,
        "history": HistoryDocument,
        "released": ReleasedDocument,
        "moved": MovedDocument,
        "pushed": PushedDocument,
        "recovered": RecoveredDocument,
        "rekeyed": RekeyedDocument,
        "migrated": MigratedDocument,
        "restored": RestoredDocument | PutBackDocument,
        "lock": LockDocument,
        "graph": GraphDocument,
        "doctor": DoctorDocument,
        "test": TestDocument,
        "event": Event,
        "hook": HookDocument,
        "failure": FailureDocument,
    }
)
_PLAIN = MappingProxyType({str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"})
AMOUNT: Schema = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}


def schema_of(name: str) -> Schema:
    """The schema of a document, complete in itself."""
    classes: dict[str, Schema] = {}
    body = _schema(SHAPES[name], classes)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"flowplan: {name}"}
    return {**head, **body, "$defs": dict(sorted(classes.items()))}


def _schema(shape: Any, classes: dict[str, Schema]) -> Schema:
    """The schema of one type; the TypedDicts in it are put into `classes`, each once."""
    origin, arguments = get_origin(shape), get_args(shape)
    if shape in _PLAIN:
        return {"type": _PLAIN[shape]}
    if shape is Any:
        return {}
    if origin is Annotated:
        assert arguments[1:] == (Decimals,)  # noqa: S101 - the only mark there is
        return AMOUNT
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        return _either([_schema(one, classes) for one in arguments])
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], classes)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], classes)}
    return _class(origin or shape, arguments, classes)


def _either(schemas: list[Schema]) -> Schema:
    plain = [one["type"] for one in schemas if one.keys() == {"type"}]
    rest = [one for one in schemas if one.keys() != {"type"}]
    if not rest:
        return {"type": plain}
    return {"anyOf": [*rest, *({"type": one} for one in plain)]}


def _class(shape: Any, arguments: tuple[Any, ...], classes: dict[str, Schema]) -> Schema:
    """A reference to a TypedDict, its `arguments` in the place of its type variable."""
    if not is_typeddict(shape):
        raise TypeError(f"{shape!r} is in no document")
    name = "".join([*map(_name, arguments), shape.__name__])
    if name not in classes:
        classes[name] = {}  # what refers to itself finds it
        hints = get_type_hints(shape, include_extras=True)
        fields = {key: _filled(hint, arguments) for key, hint in hints.items()}
        classes[name] = {
            "type": "object",
            "properties": {key: _schema(hint, classes) for key, hint in fields.items()},
            "required": sorted(shape.__required_keys__),
            "additionalProperties": False,
        }
        if shape.__doc__ and not shape.__doc__.startswith("dict("):
            classes[name]["description"] = " ".join(shape.__doc__.split())
    return {"$ref": f"#/$defs/{name}"}


def _name(shape: Any) -> str:
    return f"{_name(get_args(shape)[0])}s" if get_origin(shape) is list else str(shape.__name__)


def _filled(hint: Any, arguments: tuple[Any, ...]) -> Any:
    """A type without NotRequired, and with what its type variable stands for."""
    if get_origin(hint) is NotRequired:
        (hint,) = get_args(hint)
    variables = [one for one in get_args(hint) if isinstance(one, TypeVar)]
    return hint[arguments] if variables else hint
