"""`${...}` in the values of a document: substitution, and no language. Pure.

    ${var.NAME}         a variable; ${var.NAME.KEY} an entry of a map
    ${env.NAME}         a variable of the environment
    ${each.key}         the key of this instance; ${each.value} and ${each.value.KEY} what stands there
    ${task.NAME.ATTR}   what is known once a task is placed, in outputs only; so ${volume.NAME.ATTR}
    $${                 ${ as it stands

A value that is nothing but one `${...}` takes the kind of what it names; within a text every value becomes text. Keys
are left as they are, and so is `startup_script`, which is the user's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import copy
from typing import ClassVar

from attrs import field

from flowplan.classes import define, frozen
from flowplan.config.stack.sensitive import stays_hidden
from flowplan.config.stack.variables import Ungiven, Variable
from flowplan.config.yaml import KINDS, Broken, Document, Node, Scalar, Secretive, Sequence, quoted, reached, scalars
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.diagnostics import candidates
from flowplan.model.address import KEYED
from flowplan.patterns import regex

OPAQUE = frozenset(("startup_script",))
# The only places of a task where a sensitive value may go: what stands there is masked wherever it is shown or kept.
SECRET_PLACES = frozenset((("container_image", "run_options"),))
_PIECE = regex(r"\$\$\{|\$\{([^${}]*)\}|\$\{")
_PATH = regex(r"""([a-z]+)\.(.+)""", re.DOTALL)
_PART = r"[A-Za-z0-9_-]+"
_LATER = regex(rf"({_PART}{KEYED})\.([a-z_]+)")


@frozen
class Each:
    """The instance of a `for_each` that is being read. `written`: where its key is."""

    key: str
    value: Node
    written: Scalar


@define(eq=False)
class Scope:
    """What `${...}` can name, in the values of one document. `later`: what is known only after an apply may be named,
    and stays as it is written, for outputs; `waiting`: so may `${each...}`, in the template of several instances.
    `incomplete`: variables may be missing, for a reason that was reported."""

    variables: Mapping[str, Variable]
    environ: Mapping[str, str]
    document: Document
    each: Each | None = None
    later: bool = False
    incomplete: bool = False
    waiting: bool = False
    _plain: dict[int, Node] = field(factory=dict)  # nodes that hold no `${`, by their id; kept, so that ids stay theirs

    def replaced(self, node: Node, path: tuple[str, ...] = ()) -> Node:
        """`node` with every `${...}` replaced; itself where there is none. `path`: the keys that lead to it. Problems
        are reported at the place where the `${...}` stands."""
        if id(node) in self._plain or (path and path[-1] in OPAQUE):
            return node
        if isinstance(node, Scalar):
            made = self._scalar(node, path) if "${" in node.text else node
        elif isinstance(node, Sequence):
            made = self._sequence(node, path)
        elif isinstance(node, MappingNode):
            made = self._mapping(node, path)
        else:
            made = node
        if made is node and not self.waiting:
            self._plain[id(node)] = node
        return made

    def _sequence(self, node: Sequence, path: tuple[str, ...]) -> Node:
        items = node.items
        own = [self.replaced(item, path) for item in items]
        if all(one is other for one, other in zip(own, items, strict=True)):
            return node
        made = copy(node)
        made.own, made.through = own, None
        return made

    def _mapping(self, node: MappingNode, path: tuple[str, ...]) -> Node:
        new = {name: self.replaced(node.value(name), (*path, name)) for name in node.entries}
        if all(new[name] is entry[1] for name, entry in node.entries.items()):
            return node
        made = copy(node)
        made.entries = {name: (node.key(name), value) for name, value in new.items()}
        made.through = None
        return made

    # -- one value

    def _scalar(self, node: Scalar, path: tuple[str, ...]) -> Node:
        whole = _PIECE.fullmatch(node.text)
        if whole is not None and whole[1] is not None:
            return self._whole(node, whole[1], path)
        secrets: list[str] = []
        parts: list[tuple[str, bool]] = []  # each with whether it is sensitive
        end, failed = 0, False
        for found in _PIECE.finditer(node.text):
            parts.append((node.text[end : found.start()], False))
            end, before = found.end(), len(secrets)
            text = self._piece(node, found, path, secrets)
            failed |= text is None
            parts.append((text or "", len(secrets) > before))
        parts.append((node.text[end:], False))
        if failed or not self._holds_hidden(node, parts):
            return Broken(node.start, node.alias, node.also)
        return _text(node, "".join(text for text, _ in parts), tuple(secrets))

    def _holds_hidden(self, node: Scalar, parts: list[tuple[str, bool]]) -> bool:
        """Whether no sensitive part is shown or kept; reported otherwise."""
        if self.later or not any(sensitive for _, sensitive in parts) or stays_hidden(parts):
            return True
        summary = "a sensitive value stays hidden only as the value of an environment variable; this would be stored"
        hint = "write -e NAME=${var...}; a value with spaces or quotes needs quotes: -e 'NAME=${var...}'"
        self.document.problem(node, summary, hint, code="sensitive")
        return False

    def _piece(self, node: Scalar, found: re.Match[str], path: tuple[str, ...], secrets: list[str]) -> str | None:
        """What stands for one `${...}` within a text; None: a problem was reported."""
        if found[0] == "$${":
            return "$${" if self.waiting or self.later else "${"
        if found[1] is None:
            self._problem(node, "the `${` that opens here is never closed", "write $${ for a ${ that is text")
            return None
        value = self._named(node, found[1], path)
        if value is None:
            return None
        if isinstance(value, _Left) or self._reads_as_more(value):
            return found[0]
        if not isinstance(value, Scalar):
            what = f"${{{found[1]}}} is {KINDS[value.kind]}, and cannot be part of text"
            hint, also = "only text, a number, true or false can", (("its value is given here", value),)
            self.document.problem(node, what, hint, code="reference", also=also)
            return None
        if isinstance(value, Secretive):
            secrets += value.secrets
        return value.text.replace("${", "$${") if self.later else value.text

    def _whole(self, node: Scalar, named: str, path: tuple[str, ...]) -> Node:
        value = self._named(node, named, path)
        if value is None:
            return Broken(node.start, node.alias, node.also)
        if isinstance(value, _Left) or self._reads_as_more(value):
            return node
        if self.later and isinstance(value, Scalar) and "${" in value.text:
            secrets = value.secrets if isinstance(value, Secretive) else ()
            return _text(node, value.text.replace("${", "$${"), secrets)
        if isinstance(value, Secretive):
            hidden = self._holds_hidden(node, [(value.text, True)])
            return _text(node, value.text, value.secrets) if hidden else Broken(node.start, node.alias, node.also)
        also = node.also or ("its value is given here", value.alias or value.start)
        if isinstance(value, Scalar):
            made = copy(value)
            made.start, made.end, made.alias, made.also = node.start, node.end, node.alias, also
            return made
        return reached(value, ("used here", node.alias or node.start))

    def _reads_as_more(self, value: Node) -> bool:
        """Whether `value`, which is text as it stands, would be taken for more in the second look at a template."""
        return self.waiting and any("${" in one.text or isinstance(one, Secretive) for one in scalars(value))

    # -- what is named

    def _named(self, node: Scalar, written: str, path: tuple[str, ...]) -> Node | _Left | None:
        """What `written`, the text between the braces, stands for; None: a problem was reported."""
        found = _PATH.fullmatch(written.strip())
        look = _LOOKS.get(found[1]) if found else None
        if found is None or look is None:
            hint = "it is ${var.NAME}, ${env.NAME}, ${each.key} or ${each.value}; $${ stands for a ${ that is text"
            self._problem(node, f"${{{_cut(written)}}} names nothing", hint)
            return None
        return look(self, node, found[2], path)

    def _variable(self, node: Scalar, name: str, path: tuple[str, ...]) -> Node | None:
        name, *keys = name.split(".")
        variable = self.variables.get(name)
        if variable is None and self.incomplete:
            return None
        if variable is None:
            hint = candidates(name, self.variables) or "declare it under `variables`"
            self._problem(node, f"no variable {quoted(name)} is declared", hint)
            return None
        if variable.value is None:
            return None  # reported where it is declared
        value = self._entry(node, f"var.{name}", variable.value, keys)
        if value is None or not variable.sensitive:
            return value
        return self._secret(node, name, value, path)

    def _secret(self, node: Scalar, name: str, value: Node, path: tuple[str, ...]) -> Node | None:
        """A sensitive value, where it may go."""
        allowed = self.later or (path[-2:] in SECRET_PLACES)
        if not allowed or not isinstance(value, Scalar):
            summary = f"variable {name} is sensitive, and what stands here is stored and shown"
            hint = "a sensitive value can be used in container_image.run_options and in a sensitive output"
            self.document.problem(node, summary, hint, code="sensitive")
            return None
        return Secretive(value.text, '"', value.start, value.end, value.alias, value.also, (value.text,))

    def _environment(self, node: Scalar, name: str, path: tuple[str, ...]) -> Node | None:
        value = self.environ.get(name, "")
        if not value:  # as CI leaves a secret empty that it does not pass on
            hint = f"set it, or declare a variable with a default and give it with FLOWPLAN_VAR_{name}"
            if name in self.environ:
                hint = f"it is empty, which counts as not set: {hint}; an empty text is a default: ''"
            self._problem(node, f"the environment has no variable {quoted(name)}", hint)
            return None
        return Scalar(value, '"', node.start, node.end, node.alias)

    def _instance(self, node: Scalar, name: str, path: tuple[str, ...]) -> Node | _Left | None:
        name, *keys = name.split(".")
        if self.waiting:
            return _LEFT
        if name not in ("key", "value") or (name == "key" and keys):
            self._problem(node, f"${{each.{_cut(name)}}} names nothing", "it is ${each.key} or ${each.value}")
        elif self.each is None:
            self._problem(
                node, f"${{each.{name}}} has a meaning only under for_each", "add for_each, or name a variable"
            )
        elif name == "key":
            at = self.each.written
            return Scalar(self.each.key, '"', at.start, at.end, at.alias)
        else:
            return self._entry(node, "each.value", self.each.value, keys)
        return None

    def _entry(self, node: Scalar, what: str, value: Node, keys: list[str]) -> Node | None:
        """The entry of maps that `keys` lead to."""
        if keys and isinstance(value, Ungiven):
            return value.entry
        for key in keys:
            entry = value.get(key) if isinstance(value, MappingNode) else None
            if entry is None:
                known = value.entries if isinstance(value, MappingNode) else ()
                hint = candidates(key, known) or f"it is {KINDS[value.kind]}"
                also = (("its value is given here", value),)  # of several instances, which one it is
                self.document.problem(node, f"{what} has no entry {quoted(key)}", hint, code="reference", also=also)
                return None
            value, what = entry, f"{what}.{key}"
        return value

    def _known_later(self, node: Scalar, name: str, path: tuple[str, ...]) -> _Left | None:
        if not self.later:
            hint = "use it in outputs; to attach a volume of this stack, write attach: {volume: NAME}"
            self._problem(node, "attributes of resources are known only after apply, so they cannot be used here", hint)
            return None
        if not _LATER.fullmatch(name):
            self._problem(node, f"{quoted(name)} names no attribute", "it is ${task.NAME.ssh}, for example")
            return None
        return _LEFT

    def _problem(self, node: Scalar, summary: str, hint: str | None) -> None:
        self.document.problem(node, summary, hint, code="reference")


class _Left:
    """A `${...}` that stays as it is written."""

    kind: ClassVar[str] = "left"


_LEFT = _Left()
_Look = Callable[[Scope, Scalar, str, tuple[str, ...]], "Node | _Left | None"]
_LOOKS: Mapping[str, _Look] = {
    "var": Scope._variable,
    "env": Scope._environment,
    "each": Scope._instance,
    "task": Scope._known_later,
    "volume": Scope._known_later,
}


def _text(node: Scalar, text: str, secrets: tuple[str, ...]) -> Scalar:
    """`node` with another text, which is one whatever it looks like."""
    style = node.style or '"'
    if secrets:
        return Secretive(text, style, node.start, node.end, node.alias, node.also, secrets)
    return Scalar(text, style, node.start, node.end, node.alias, node.also)


def _cut(written: str) -> str:
    return quoted(written)[1:-1]
