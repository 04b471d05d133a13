"""The ports of a task, in all their spellings."""

from __future__ import annotations

import pytest

from flowplan.model.resources import PortPair
from tests.config.task_texts import TYPE, problem_of, task_of


def ports(*texts: str) -> list[str]:
    return [str(pair) for pair in task_of(f"ports: [{', '.join(texts)}]\n{TYPE}").ports]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080", ["8080"]),
        ("'8080'", ["8080"]),
        ("6006-6008", ["6006", "6007", "6008"]),
        ("'8441:8001'", ["8441:8001"]),
        ("'8441-8442:8001-8002'", ["8441:8001", "8442:8002"]),
        ("'8080:8080'", ["8080"]),
        ("{external: 8442, internal: 8002}", ["8442:8002"]),
        ("{external: 8442}", ["8442"]),
        ("{external: '8443-8445', internal: 8003-8005, protocol: tcp}", ["8443:8003", "8444:8004", "8445:8005"]),
        ("80", ["80"]),
        ("443", ["443"]),
        ("'2222:22'", ["2222:22"]),
        ("'65535:1'", ["65535:1"]),
    ],
)
def test_spellings_of_ports(text: str, expected: list[str]) -> None:
    assert ports(text) == expected


def test_a_pair_without_quotes_is_a_text_in_yaml_1_2() -> None:
    assert task_of(f"ports:\n  - 2222:22\n  - 6006-6007\n{TYPE}").ports == (
        PortPair(2222, 22),
        PortPair(6006, 6006),
        PortPair(6007, 6007),
    )


def test_ports_are_in_order_whatever_the_file_says() -> None:
    assert ports("9000", "80", "'1024-1026'") == ["80", "1024", "1025", "1026", "9000"]
    assert ports() == []


@pytest.mark.parametrize(
    "texts",
    [
        ("'8001:8080'", "'8080:8080'"),
        ("'8001:8080'", "'8002:8080'"),
        ("'8001:9000'", "9000"),
        ("'8000-8001:9000-9001'",),
    ],
)
def test_what_two_pairs_may_share(texts: tuple[str, ...]) -> None:
    """One program may be published under several numbers, its own among them."""
    assert ports(*texts)


@pytest.mark.parametrize(
    "texts", [("'8080:9000'", "'9000:8080'"), ("'8001:8000'", "'8002:8001'"), ("'8000-8002:8001-8003'",)]
)
def test_no_program_can_listen_where_a_forwarder_does(texts: tuple[str, ...]) -> None:
    problem = problem_of(f"ports: [{', '.join(texts)}]\n{TYPE}")
    assert problem.code == "port-conflict"
    assert "is needed twice on the instance" in problem.summary
    assert "the forwarder of" in (problem.detail or "")
