"""What the files of both tools have: names, limits, instance types, ports, the environment. Pure."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal, InvalidOperation

from flowplan.config.foreign.reading import Path, Reading, Value, spelled
from flowplan.config.task.instances import MOST_INSTANCES, REGION
from flowplan.config.task.ports import read_ports
from flowplan.config.yaml import Document, Findings, Node, Scalar, Text
from flowplan.config.yaml import Sequence as SequenceNode
from flowplan.masking import holds_token, looks_secret, secret_in
from flowplan.model.resources import BID_NAME
from flowplan.model.type_names import read_type_name
from flowplan.patterns import regex
from flowplan.pricing.units import per_instance

_CENT = Decimal("0.01")
_GPU = regex(r"[a-z]+[0-9]+[a-z0-9]*(?:-[0-9]+gb)?", re.I | re.A)
_COUNT = regex(r"[1-9][0-9]{0,2}(?:\.0+)?", re.A)
_VARIABLE = regex(r"[A-Za-z_][A-Za-z0-9_]*", re.A)
_MOUNT = regex(r"/[A-Za-z0-9._/-]+", re.A)
_KEY_LENGTH = 50
_READABLE = "it looks like a credential, and everyone with access to the bid can read its startup script"


def key_of(name: str) -> str:
    """A key of a stack file that is like `name`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:_KEY_LENGTH].strip("-_") or "task"


def literal(text: str) -> str:
    """`text` as a value in which nothing is substituted."""
    return text.replace("${", "$${")


def name_of(reading: Reading, fallback: str, task: dict[str, Value]) -> str:
    """The key of the task; its name is put into `task` where the two differ."""
    written = reading.scalar("name")
    if written is None:
        return key_of(fallback)
    key = key_of(written.text)
    if BID_NAME.fullmatch(written.text) is None:
        reading.leave(("name",), f"a bid cannot have this name; the task is called {key}")
        return key
    reading.take("name")
    if written.text != key:
        task["name"] = written.text
    return key


def limit_of(reading: Reading, path: Path, share: int = 1) -> Decimal | None:
    """The limit that the amount at `path` stands for, of one of `share` instances, in whole cents and never above it.
    An amount that cannot be read is refused: what would be bid instead of it may be more."""
    node = reading.at(*path)
    if node is None:
        return None
    amount = _amount(node)
    if amount is None or amount / share < _CENT:
        reading.refuse(
            path, f"{spelled(path)} is not an amount of at least a cent", "write dollars per hour, such as 17.92"
        )
        return None
    reading.take(*path)
    found = (amount / share).quantize(_CENT, ROUND_DOWN)
    if found != amount:
        reading.remark(path, f"the limit is {per_instance(found)}, in whole cents and never above this")
    return found


def _amount(node: Node) -> Decimal | None:
    try:
        amount = Decimal(node.text.strip().removeprefix("$")) if isinstance(node, Scalar) else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() and amount < 1_000_000 else None


def quantity_of(reading: Reading, key: str) -> int:
    """How many instances; a number that is none is refused."""
    node = reading.at(key)
    if node is None:
        return 1
    text = node.text if isinstance(node, Scalar) else ""
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= MOST_INSTANCES:
        reading.refuse((key,), f"{key} is not a whole number from 1 to {MOST_INSTANCES}", f"write {key}: 1")
        return 1
    reading.take(key)
    return int(text)


def type_of(name: str, count: str | None) -> str | None:
    """The short form of an instance type (`h100:8`) of a GPU and how many of it; without a number one."""
    count = "1" if count is None else count
    if not _GPU.fullmatch(name) or not _COUNT.fullmatch(count):
        return None
    return f"{name.lower()}:{count.split('.')[0]}"


def named_type(text: str) -> str | None:
    """`text`, if it says which GPU and how many, or is an id."""
    try:
        found = read_type_name(text)
    except ValueError:
        return None
    return text if found.id is not None or found.gpu is not None else None


def region_of(reading: Reading, path: Path) -> str | None:
    """The region of FCP that `path` names; what names none is left."""
    node = reading.scalar(*path)
    if node is None:
        return None
    if not REGION.pattern.fullmatch(node.text):
        reading.leave(path, "it is not the name of a region of FCP")
        return None
    reading.take(*path)
    return node.text


def ports_of(reading: Reading, path: Path) -> list[Value]:
    """The ports that FCP publishes, each once; `path` has one, or a list."""
    node = reading.at(*path)
    places = [(*path, item) for item in reading.entries(*path)] if isinstance(node, SequenceNode) else [path]
    found: list[Value] = []
    taken: set[int] = set()
    for place in places if node is not None else ():
        item, why = reading.at(*place), ""
        if not isinstance(item, Scalar):
            continue
        ports, why = _published(reading.document, item)
        if why or not ports.isdisjoint(taken):
            reading.leave(place, why or "the port is published already")
            continue
        taken |= ports
        reading.take(*place)
        found.append(int(item.text) if item.text.isdigit() else item.text)
    return found


def _published(document: Document, item: Scalar) -> tuple[set[int], str]:
    """The external ports that `item` means, or why there are none."""
    findings = Findings()
    apart = Document(Text(document.text.file, document.text.content, findings), document.root)
    pairs = read_ports(apart, SequenceNode(item.start, own=[item]))
    return {pair.external for pair in pairs}, findings.all[0].summary if findings.all else ""


def env_of(reading: Reading, key: str, *, missing: str) -> dict[str, str]:
    """The variables of the environment under `key`. `missing`: what one without a value means to the tool."""
    found = {}
    for name in reading.entries(key):
        node = reading.at(key, name)
        if node is None:
            reading.leave((key, name), missing)
        elif not _VARIABLE.fullmatch(name) or not isinstance(node, Scalar):
            reading.leave((key, name), "it is not the name and the value of a variable")
        elif looks_secret(name) or holds_token(node.text) or secret_in(f"{name}={node.text}") is not None:
            reading.leave((key, name), _READABLE)
        else:
            reading.take(key, name)
            found[name] = node.text
    return found


def secrets_left(reading: Reading, key: str) -> None:
    """Leave every secret under `key`."""
    for name in reading.entries(key):
        reading.leave((key, name), "everyone with access to the bid can read its startup script")


def mount_of(reading: Reading, path: Path, text: str) -> str | None:
    """A mount point that a bid can have; else why the volume at `path` is left."""
    if _MOUNT.fullmatch(text) and ".." not in text:
        return text
    reading.leave(path, "its mount point is not an absolute path of letters, digits and . _ - /")
    return None


def foreign_variables(reading: Reading, path: Path, text: str, prefix: str) -> None:
    """Remark on variables that the other tool sets, and nobody sets here."""
    used = sorted(set(re.findall(rf"\b{prefix}[A-Z_]+", text)))
    if used:
        reading.remark(path, f"it uses {', '.join(used[:5])}, which nothing sets on an instance of flowplan")
