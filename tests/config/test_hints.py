"""What to write instead, of values that are nearly right; and the line that they stand on, where it tells no secret."""

from __future__ import annotations

import pytest

from flowplan.config.yaml import Findings, Text
from tests.config.stacks import stack
from tests.config.task_texts import problem_of, problems_of

TYPE = "resources_specification: {fcp_instance: h100.8x.SXM5.IB}"
COMMA = "between braces a comma begins the next key: write "


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("task_management: {utility_threshold_price: 12,50}", f"{COMMA}12.50"),
        ("task_management: {utility_threshold_price: 12, 50, priority: high}", f"{COMMA}12.50"),
        ("task_management: {utility_threshold_price: 1,000}", f"{COMMA}1000"),
        ("task_management: {utility_threshold_price: 12.5,0}", "quote it: '0'"),
        ("task_management: {utility_threshold_price: '12,50'}", "write 12.50"),
        ("task_management: {utility_threshold_price: '1,000'}", "write it like 17.92: a decimal point, and no"),
        ("lifetime: {max_hours: 12h}", "leave out the unit: 12"),
        ("lifetime: {max_hours: 1.5 hours}", "leave out the unit: 1.5"),
        ("lifetime: {max_hours: a day}", "write hours as a number, such as 12 or 0.5"),
        ("persistent_storage: {create: {volume_name: d, size: 500GB}}", "write size: 500"),
        ("persistent_storage: {create: {volume_name: d, size: 2 TiB}}", "write size: 2, and size_unit: tb"),
        ("persistent_storage: {create: {volume_name: d, size: 2T, size_unit: tb}}", "write size: 2"),
        (
            "persistent_storage: {create: {volume_name: d, size: 500GB, size_unit: tb}}",
            "write size: 500, and size_unit: gb",
        ),
        ("persistent_storage: {create: {volume_name: d, size: 0GB}}", "write a size from 1 to 32,768 GB"),
        ("persistent_storage: {create: {volume_name: d, size: 33T}}", "write a size from 1 to 32 TB"),
        ("persistent_storage: {create: {volume_name: d, size: 33T, size_unit: tb}}", "write a size from 1 to 32 TB"),
        (
            "persistent_storage: {create: {volume_name: d, size: 0GB, size_unit: tb}}",
            "write a size from 1 to 32,768 GB",
        ),
        ("persistent_storage: {create: {volume_name: d, size: '500'}}", "write it without quotes"),
        ("persistent_storage: {create: {volume_name: d, size: much}}", "write it in digits, such as 1"),
        ("num_instances: one", "write it in digits, such as 1"),
        ("num_instances: 2TB", "write it in digits, such as 1"),
    ],
)
def test_a_number_that_is_nearly_right(line: str, hint: str) -> None:
    problem = problem_of(f"name: t\n{TYPE}\n{line}\n")
    assert (problem.hint or "").startswith(hint)
    assert hint == problem.hint or hint.endswith("and no")


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ("  token: {sensitiv: true}", "  token: {sensitiv: true}"),
        ("  token: {typ: string, sensitiv: true}", "  token: {typ: string, sensitiv: true}"),
        ("  token:\n    sensitiv: true", "    sensitiv: true"),
        ("  token: {sensitiv: true, default: a}", "  token: ********"),
        ("  token: {defualt: hunter2}", "  token: ********"),
        ("  token:\n    defualt: hunter2", "    ********"),
    ],
)
def test_a_declaration_is_shown_where_it_has_no_value(variables: str, shown: str) -> None:
    found = [one.source for one in problems_of(f"version: 2\nname: s\nvariables:\n{variables}\n") if one.source]
    assert found[-1] == shown
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token:\n  my: true", "  my: true"),
        ("token: |\n  my: true", "  ********"),
        ("token: >-\n  my: true", "  ********"),
        ("token:\n  default:\n    my: true", "    ********"),
        ("token:\n  my: hunter2", "  ********"),
    ],
)
def test_what_is_below_the_name_of_a_secret(text: str, shown: str) -> None:
    lines = text.split("\n")
    assert Text("a.yaml", text, Findings()).line(len(lines)) == shown


def test_of_a_secret_that_is_declared_nobody_is_warned() -> None:
    text = (
        "version: 2\nvariables: {token: {sensitive: true}}\ntasks:\n  a:\n    TYPE\n"
        '    container_image: {image_name: x, run_options: "-e TOKEN=${var.token}MORE"}\n'
    ).replace("TYPE", TYPE)
    assert not stack(text.replace("MORE", ""), options={"token": "geheim9"}).warnings
    (warning,) = stack(text.replace("MORE", " -e PASSWORD=hunter2"), options={"token": "geheim9"}).warnings
    assert "run_options seems to hold a secret" in warning.summary
