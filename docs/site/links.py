"""The files of the repository that a text names, as links of the site."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = ("CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "ARCHITECTURE.md")  # beside the README
_CODE = re.compile(r"(^ *```.*?^ *```$|`[^`\n]*`)", re.DOTALL | re.MULTILINE)
_MENTIONED = re.compile(rf"(?<!\]\()(?<![\w/\[])(docs/[\w-]+\.md|README|{'|'.join(map(re.escape, PROJECT))})(?![\w\]])")
_LINKED = re.compile(r"(?<=\]\()(docs/[\w./-]+|[A-Z]+\.md)|(?<=src=\")(docs/[\w./-]+)|(?<=srcset=\")(docs/[\w./-]+)")


def place_of(name: str) -> str:
    """Where a file of the repository is on the site: `docs/stack.md` is `stack.md`."""
    if name.startswith("README"):
        return "index.md"
    return f"project/{name.lower()}" if name in PROJECT else name.removeprefix("docs/")


def title_of(name: str) -> str:
    """The first heading of a text of the repository. The README is where the site starts."""
    if name == "README":
        return "the start page"
    text = (ROOT / name).read_text()
    return text[text.index("# ") + 2 :].partition("\n")[0]


def linked(text: str, page: str) -> str:
    """The text of a page that is at `page` of the site: what it names, as docs/stack.md or SECURITY.md, is a link with
    the title of that page; its own links lead to where the files are on the site. Code stays as it is."""

    def to(name: str) -> str:
        return os.path.relpath(place_of(name), os.path.dirname(page) or ".")  # noqa: PTH120 - a path of the site

    def outside_code(part: str) -> str:
        moved = _LINKED.sub(lambda found: to(found[0]), part)
        return _MENTIONED.sub(lambda found: f"[{title_of(found[1])}]({to(found[1])})", moved)

    parts = _CODE.split(text)
    parts[::2] = map(outside_code, parts[::2])
    return "".join(parts)
