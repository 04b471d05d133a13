"""`gh`, as far as the recipes use it, on a file that stands for GitHub. It knows nothing of flowplan.

GH_FAKE names the file: {"comments": {number: [...]}, "issues": [...], "pulls": {sha: [...]}, "artifacts": {name: ...}}.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

BOT = {"type": "Bot", "login": "github-actions[bot]"}


def main(words: list[str]) -> int:
    file = Path(os.environ["GH_FAKE"])
    world: dict[str, Any] = json.loads(file.read_text())
    options, rest = options_of(words)
    code = {"api": api, "run": download, "issue": issue, "label": label}[rest[0]](world, rest[1:], options)
    file.write_text(json.dumps(world))
    return code


def options_of(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options with their values, and the other words."""
    found, rest, left = {}, [], list(words)
    while left:
        word = left.pop(0)
        if word in ("--paginate", "--silent", "--force"):
            continue
        if word.startswith("-"):
            found[word] = left.pop(0)
        else:
            rest.append(word)
    return found, rest


def api(world: dict[str, Any], rest: list[str], options: dict[str, str]) -> int:
    path, _, query = rest[0].removeprefix(f"repos/{os.environ['GITHUB_REPOSITORY']}/").partition("?")
    body = Path(options["-F"].removeprefix("body=@")).read_text() if "-F" in options else ""
    if len(body) > 65_536:
        print("Body is too long", file=sys.stderr)
        return 1
    if found := re.fullmatch(r"commits/(\w+)/pulls", path):
        print(json.dumps(world["pulls"].get(found[1], [])))
    elif found := re.fullmatch(r"issues/comments/(\d+)", path):
        next(one for all_ in world["comments"].values() for one in all_ if one["id"] == int(found[1]))["body"] = body
    elif found := re.fullmatch(r"issues/(\d+)/comments", path):
        comments = world["comments"].setdefault(found[1], [])
        if options.get("--method") == "POST":
            comments.append({"id": 100 + len(comments), "user": BOT, "body": body})
        else:
            print(json.dumps(comments))
    else:
        assert (path, query) == ("issues", "state=open&labels=flowplan-drift")
        print(json.dumps([one for one in world["issues"] if one["state"] == "open"]))
    return 0


def download(world: dict[str, Any], rest: list[str], options: dict[str, str]) -> int:
    text = world["artifacts"].get(options["--name"])
    if text is None:
        print("no valid artifacts found to download", file=sys.stderr)
        return 1
    Path(options["--dir"]).mkdir(parents=True)
    (Path(options["--dir"]) / "flowplan.plan.json").write_text(text)
    return 0


def issue(world: dict[str, Any], rest: list[str], options: dict[str, str]) -> int:
    if rest[0] == "create":
        body = Path(options["--body-file"]).read_text()
        made = {"number": len(world["issues"]) + 1, "state": "open", "user": BOT, "body": body}
        world["issues"].append({**made, "title": options["--title"]})
        return 0
    one = world["issues"][int(rest[1]) - 1]
    if rest[0] == "edit":
        one["body"] = Path(options["--body-file"]).read_text()
    else:
        one["state"] = "closed"
    return 0


def label(world: dict[str, Any], rest: list[str], options: dict[str, str]) -> int:
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
