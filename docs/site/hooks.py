"""What mkdocs does beside building: it adds the README, the other texts of the project and the generated reference, and
makes links of the files that the texts name. Each hook has the arguments that mkdocs gives it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from links import PROJECT, ROOT, linked, place_of
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from reference import pages

_UNSEEN = re.compile(r"^<!-- typed before\n.*?^-->\n", re.DOTALL | re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation: what is generated, and below How to every page that it does not have yet."""
    nav: list[Any] = config.nav or []
    sections = {name: inside for one in nav for name, inside in one.items()}
    named = set(re.findall(r"[\w/-]+\.md", str(nav)))
    sections["How to"] += sorted(one.name for one in Path(config.docs_dir).glob("*.md") if one.name not in named)
    made = [name for name in pages() if name.endswith(".md")]
    commands, documents = ([one for one in made if one.startswith(f"reference/{of}/")] for of in ("commands", "json"))
    others = [one for one in made if one not in (*commands, *documents)]
    sections["Reference"][:0] = [{"Commands": commands}, *others]
    sections["Reference"].append({"JSON documents": documents})
    sections["Project"] += [place_of(name) for name in PROJECT]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    texts = {place_of(name): (ROOT / name).read_text() for name in ("README.md", *PROJECT)}
    texts |= pages() | {config.extra_css[0]: Path(__file__).with_name("site.css").read_text()}
    for path, text in texts.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    return linked(_UNSEEN.sub("", markdown), page.file.src_uri)
