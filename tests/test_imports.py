"""The law about imports can be broken: each way to break it is seen, in a package made up for it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from tests.imports import Package, circles, layers_of, misplaced, private_names, strangers, without_contract

FILES = {
    "ground.py": "",
    "low/first.py": "from made.ground import Word\n",
    "low/second.py": "from made.low import first\n",
    "low/inner/__init__.py": "from made.low.second import Two\n",
    "low/inner/deep.py": "import json\nfrom made.ground import Word\n",
    "high/top.py": "import made.low.inner\nfrom made.low.second import Two\n",
    "high/beside.py": "X = 1\n",
}
ALLOWED = {"low": {"ground"}, "low.inner": {"ground", "low"}, "high": {"low", "low.inner"}}
LAYERS = """# A comment
low
    first inner/deep   # the ground of it
    second
    inner/__init__

high
    beside top
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "made"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for package in (path.parent, root):
            (package / "__init__.py").touch()
        path.write_text(text)
    return root


def broken(root: Path, layers: str = LAYERS) -> tuple[list[str], list[str], list[list[str]]]:
    """What is against each of the three laws."""
    package = Package.at(root)
    return strangers(package, ALLOWED), misplaced(package, layers_of(layers)), circles(package.graph)


def test_a_package_that_keeps_the_law(root: Path) -> None:
    assert broken(root) == ([], [], [])


def test_what_is_imported(root: Path) -> None:
    package = Package.at(root)
    assert package.graph["high.top"] == {"low.inner", "low.second"}
    assert package.graph["low.second"] == {"low.first"}
    assert [package.room(one) for one in ("ground", "low.first", "low.inner", "low.inner.deep")] == [
        "ground",
        "low",
        "low.inner",
        "low.inner",
    ]


@pytest.mark.parametrize(
    "way",
    [
        "{}\n",
        "def late():\n    {}\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}\n",
        "try:\n    {}\nexcept ImportError:\n    pass\n",
    ],
    ids=["at the top", "in a function", "for types", "in a try"],
)
@pytest.mark.parametrize(
    "line", ["from made.high import beside", "from made.high.beside import X", "import made.high.beside"]
)
def test_a_room_above_is_seen_wherever_it_is_imported(root: Path, way: str, line: str) -> None:
    (root / "low" / "first.py").write_text(way.format(line))
    assert broken(root)[0] == ["low.first may not import high.beside: low imports nothing of high"]


def test_a_file_above_in_the_same_room_is_seen_although_no_circle_comes_of_it(root: Path) -> None:
    (root / "low" / "inner" / "deep.py").write_text("def late():\n    from made.low.second import Two\n")
    assert broken(root) == ([], ["low/inner/deep may not import second: it stands no lower"], [])


def test_a_file_in_the_same_layer_is_seen(root: Path) -> None:
    (root / "high" / "beside.py").write_text("from made.high import top\n")
    assert broken(root) == ([], ["high/beside may not import top: it stands no lower"], [])


def test_a_circle_is_seen_at_every_depth(root: Path) -> None:
    (root / "low" / "first.py").write_text("def late():\n    from made.low.inner import Two\n")
    _, wrong, rings = broken(root)
    assert wrong == ["low/first may not import inner/__init__: it stands no lower"]
    assert rings == [["low.first", "low.inner", "low.second"]]


def test_a_file_has_one_place(root: Path) -> None:
    (root / "high" / "new.py").write_text("X = 1\n")
    assert broken(root)[1] == ["high/new stands in no layer"]
    (root / "high" / "new.py").unlink()
    assert broken(root, LAYERS + "    top\n")[1] == ["high/top stands twice"]
    assert broken(root, LAYERS + "    gone\n")[1] == ["high/gone is not there"]


def test_an_import_by_dots_is_none(root: Path) -> None:
    """It would be read as another package's."""
    (root / "low" / "first.py").write_text("from ..high import beside\n")
    with pytest.raises(AssertionError, match="says its whole path"):
        broken(root)


def test_a_private_name_of_another_file_is_seen(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("from a import _b, c\n\nclass D:\n    def __init__(self):\n        self._e = c._f + self._e\n")
    assert private_names(module) == ("_b", "_f")


def test_what_says_nothing_of_itself_is_seen_and_what_overrides_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "says_nothing.py"
    path.write_text(
        "class Says:\n    'It does.'\n    def it(self):\n        'It too.'\n    def not_it(self): ...\n"
        "class Silent(Says):\n    def it(self): ...\n    @property\n    def more(self): ...\n"
        "    def _own(self): ...\ndef alone(): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert without_contract(path, import_module("says_nothing")) == ["Says.not_it", "Silent", "Silent.more", "alone"]
