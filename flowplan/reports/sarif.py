"""A check of the configuration -> SARIF 2.1.0, as code scanning reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flowplan import __version__
from flowplan.diagnostics import CODES
from flowplan.documents.json_text import dumps
from flowplan.documents.remedies import REMEDIES
from flowplan.documents.validate import Checked, fingerprints, in_repository, sentence

if TYPE_CHECKING:
    from flowplan.documents.shapes.validate import Found
    from flowplan.reports.text.paint import Paint

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_FINGERPRINT = "flowplan/v1"


def checked(found: Checked, _: Paint) -> str:
    """One run. What has no place in a file, as wrong usage, is no result but a notification."""
    problems = in_repository(found)
    placed = [one for one in problems if one["source"] is not None]
    rules = list(dict.fromkeys(one["code"] for one in placed))
    run = {
        "tool": {"driver": {"name": "flowplan", "version": __version__, "rules": [_rule(code) for code in rules]}},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(found.exit_code, [one for one in problems if one["source"] is None])],
        "results": [
            {**_result(one, rules), "partialFingerprints": {_FINGERPRINT: digest}}
            for one, digest in zip(placed, fingerprints(placed), strict=True)
        ],
    }
    return dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(code: str) -> dict[str, Any]:
    return {"id": code, "shortDescription": {"text": CODES[code].sentence}, "help": {"text": REMEDIES[code]}}


def _invocation(exit_code: int, unplaced: Sequence[Found]) -> dict[str, Any]:
    """The run of the command: problems in files are what it is there to find, anything else is its failure."""
    said = [
        {"descriptor": {"id": one["code"]}, "level": one["severity"], "message": {"text": sentence(one)}}
        for one in unplaced
    ]
    failed = any(one["severity"] == "error" for one in unplaced)
    return {"executionSuccessful": not failed, "exitCode": exit_code, "toolExecutionNotifications": said}


def _result(one: Found, rules: Sequence[str]) -> dict[str, Any]:
    made = {
        "ruleId": one["code"],
        "ruleIndex": rules.index(one["code"]),
        "level": one["severity"],
        "message": {"text": sentence(one)},
        "locations": [_location(one["source"])],
    }
    if one["related"]:
        made["relatedLocations"] = [
            {"id": number, "message": {"text": other["message"]}, **_location(other["source"])}
            for number, other in enumerate(one["related"], 1)
        ]
    return made


def _location(place: Any) -> dict[str, Any]:
    region = {"startLine": place["line"], "startColumn": place["column"]}
    if "end_line" in place:
        region |= {"endLine": place["end_line"], "endColumn": place["end_column"]}
    return {"physicalLocation": {"artifactLocation": _artifact(place["file"]), "region": region}}


def _artifact(file: str) -> dict[str, str]:
    """A file of the repository, or one somewhere else on this machine."""
    path = quote(file.encode("utf-8", "surrogateescape"), safe="/")
    return {"uri": f"file://{path}"} if file.startswith("/") else {"uri": path, "uriBaseId": "%SRCROOT%"}
