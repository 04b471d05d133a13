"""What the files of a package import of each other, and which of that a law forbids.

Counted is every import that stands in a file: what is imported when it loads, when a function is called, and for types.
Not counted is what a table names (routes, commands, formats) and is looked up when it is asked for.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Collection, Mapping
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType

from attrs import frozen

Graph = Mapping[str, set[str]]  # module -> the modules that it imports
Layers = Mapping[str, list[list[str]]]  # folder -> its layers, the lowest first, each the paths of files without .py
_OF_THE_LANGUAGE = {"_exit", "_asdict", "_replace"}  # of os, and of any NamedTuple


@frozen
class _Seen:
    """What one look through a file finds."""

    imports: tuple[tuple[str, str], ...]  # (module, name taken from it) of each; the name is empty for a whole module
    private: tuple[str, ...]  # what it takes of others that begins with one underscore


def _seen(path: Path) -> _Seen:
    return _seen_in(path.read_text(), path)


@cache  # several laws ask for the same files
def _seen_in(text: str, path: Path) -> _Seen:
    found: list[tuple[str, str]] = []
    own, read = set(), []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: an import says its whole path"
            found += ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.Attribute):
            if isinstance(node.ctx, ast.Store):
                own.add(node.attr)
            else:
                read.append(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
    taken = [name for _, name in found] + [name for name in read if name not in own | _OF_THE_LANGUAGE]
    return _Seen(tuple(found), tuple(name for name in taken if name[:1] == "_" and name[:2] != "__"))


def imports_of(path: Path) -> set[str]:
    """Everything that a file imports. `from a.b import c` counts as a.b and as a.b.c, since c may be a module."""
    return {one for module, name in _seen(path).imports for one in (module, f"{module}.{name}" if name else module)}


@frozen
class Package:
    """The modules of a package, each by its name without the package's: the package itself is ""."""

    name: str
    modules: Mapping[str, Path]

    @classmethod
    def at(cls, root: Path) -> Package:
        found = {}
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return cls(root.name, found)

    @cached_property
    def graph(self) -> Graph:
        return {module: self._imported(module) for module in self.modules}

    def _imported(self, module: str) -> set[str]:
        """The modules of this package that `module` imports: by `from a.b import c` a.b.c, if that is one, else a.b."""
        whole = {f"{self.name}.{one}" if one else self.name: one for one in self.modules}
        pairs = ((source, f"{source}.{name}") for source, name in _seen(self.modules[module]).imports)
        found = {whole.get(finer, whole.get(source, "")) for source, finer in pairs}
        return found - {"", module}

    def room(self, module: str) -> str:
        """The folder of a module; of a module beside the folders, its own name."""
        package = self.modules[module].name == "__init__.py"
        return module if package or "." not in module else module.rpartition(".")[0]

    def file(self, module: str) -> tuple[str, str]:
        """(folder at the top, path in it without .py); the folder of what stands beside the folders is empty."""
        path = self.modules[module].with_suffix("")
        depth = module.count(".") + (path.name == "__init__" and module != "")
        inside = path.parts[-depth:] if depth else ()
        return (path.parts[-depth - 1], "/".join(inside)) if inside else ("", path.name)


def circles(graph: Graph) -> list[list[str]]:
    """The sets of modules that import each other, directly or through others."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        left = [start]
        while left:
            for name in graph[left.pop()] - seen:
                seen.add(name)
                left.append(name)
        reached[start] = seen
    rings = {frozenset(b for b in reached[a] if a in reached[b]) for a in graph if a in reached[a]}
    return sorted(sorted(ring) for ring in rings)


def strangers(package: Package, allowed: Mapping[str, set[str]]) -> list[str]:
    """The imports of rooms that `allowed` does not name."""
    return [
        f"{module} may not import {other}: {package.room(module)} imports nothing of {package.room(other)}"
        for module, others in package.graph.items()
        for other in sorted(others)
        if module and package.room(other) not in {package.room(module), *allowed.get(package.room(module), ())}
    ]


def private_names(path: Path) -> Collection[str]:
    """What a file takes of others that begins with one underscore: what it imports, and what it reads of an object and
    sets nowhere itself."""
    return _seen(path).private


def without_contract(path: Path, module: ModuleType) -> list[str]:
    """The public classes, functions and methods of a file, which is `module`, that no docstring says anything of; a
    method may have that of what it overrides."""
    found = []

    def look(tree: ast.Module | ast.ClassDef, owner: object, prefix: str) -> None:
        for node in tree.body:
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name.startswith("_"):
                continue
            it = getattr(owner, node.name)
            overrides = isinstance(tree, ast.ClassDef) and isinstance(node, ast.FunctionDef)
            if not (ast.get_docstring(node) or (overrides and inspect.getdoc(it)) or _joins(node)):
                found.append(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                look(node, it, f"{prefix}{node.name}.")

    look(ast.parse(path.read_text()), module, "")
    return found


# A name that a docstring begins to explain: "`a`:", "`a` and `b`:", "`a` None:".
_EXPLAINED = re.compile(r"(?:^|[.;:] )((?:`\w+`(?:, | and )?)+)(?: (?:None|False|True))?:")


def explained_in_vain(path: Path) -> list[str]:
    """What docstrings of attrs classes explain, each as Class.name, though the class has no such field or method."""
    found = []
    text = path.read_text()
    for node in ast.parse(text).body if "`:" in text else []:
        if not isinstance(node, ast.ClassDef) or node.bases or not _is_of_attrs(node):
            continue
        said = " ".join((ast.get_docstring(node) or "").split())
        names = {name for part in _EXPLAINED.findall(said) for name in re.findall(r"`(\w+)`", part)}
        fields = {ast.unparse(one.target).lstrip("_") for one in node.body if isinstance(one, ast.AnnAssign)}
        methods = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
        found += [f"{node.name}.{name}" for name in sorted(names - fields - methods)]
    return found


def _is_of_attrs(node: ast.ClassDef) -> bool:
    return any(re.match(r"(frozen|define)\b", ast.unparse(one)) for one in node.decorator_list)


def _joins(node: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether it is one of several signatures (overload) of what says it at the end."""
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list)


def layers_of(text: str) -> Layers:
    """The layers in a text: the name of a folder, then, indented, a line for each of its layers. # begins a comment."""
    found: dict[str, list[list[str]]] = {}
    folder = ""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words and line[0] == " ":
            found[folder].append(words)
        elif words:
            folder = words[0]
            found[folder] = []
    return found


def misplaced(package: Package, layers: Layers) -> list[str]:
    """What stands in no layer or in two, what is not there, and the imports that go up or stay in a layer."""
    heights = [((folder, file), n) for folder, rows in layers.items() for n, row in enumerate(rows) for file in row]
    height = dict(heights)
    files = {module: package.file(module) for module, path in package.modules.items() if path.read_text().strip()}
    inside = {module: file for module, file in files.items() if file[0]}
    wrong = [f"{'/'.join(file)} stands twice" for file in height if sum(one == file for one, _ in heights) > 1]
    wrong += [f"{'/'.join(file)} is not there" for file in height if file not in inside.values()]
    wrong += [f"{'/'.join(file)} stands in no layer" for file in inside.values() if file not in height]
    for module, file in inside.items():
        for other in sorted(package.graph[module]):
            to = files.get(other, ("", ""))
            if to[0] == file[0] and to in height and file in height and height[to] >= height[file]:
                wrong.append(f"{'/'.join(file)} may not import {to[1]}: it stands no lower")
    return wrong
