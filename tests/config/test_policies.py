"""`policies`, in a stack file or a file of its own: read strictly, every problem with its place."""

from __future__ import annotations

from datetime import time
from decimal import Decimal

import attrs
import pytest

from flowplan.config import Source
from flowplan.config.policies import read_policy_file
from flowplan.errors import ConfigError
from flowplan.model.policy import Policies
from tests.blocks import blocks
from tests.conftest import ROOT

WHOLE = """\
policies:
  max_price_per_gpu_hour: {h100: 3.00, "*": "2.50"}
  price_basis: now
  allowed_regions: [us-central1-*, eu-central1-a]
  allowed_types: [h100, 8xa100, h100.8x.SXM5.IB]
  protected: [volume.data, "bid.prod-*", task.train]
  required_names: team-*
  hours: {from: "22:00", to: 06:00, days: [mon, fri], time_zone: Europe/Berlin}
  project_budgets: {research: 120, "*": 10.50}
"""


def read(text: str) -> Policies:
    return read_policy_file(Source("policy.yaml", text.encode()))


def test_every_rule_is_read_with_its_place() -> None:
    found = read(WHOLE)
    assert found.max_price is not None and found.hours is not None and found.names is not None
    assert [(one.name, one.amount) for one in found.max_price.caps] == [
        ("h100", Decimal("3.00")),
        ("*", Decimal("2.50")),
    ]
    assert found.max_price.basis == "now"
    assert str(found.max_price.caps[1].position) == "policy.yaml:2:40"
    assert (found.names.values, str(found.names.position)) == (("team-*",), "policy.yaml:7:19")
    assert (found.hours.start, found.hours.end, found.hours.days) == (time(22), time(6), {0, 4})
    assert [one.name for one in found.budgets] == ["research", "*"]
    assert found.regions and found.types and found.protected


def test_one_amount_is_that_of_every_type_and_a_whole_day_has_no_end() -> None:
    found = read("policies: {max_price_per_gpu_hour: 3, hours: {time_zone: UTC, to: '24:00'}}\n")
    assert found.max_price is not None and found.hours is not None
    assert [(one.name, one.amount) for one in found.max_price.caps] == [("*", Decimal("3.00"))]
    assert found.hours.days == frozenset(range(7)) and found.hours.end == time(0)


@pytest.mark.parametrize(
    ("text", "place", "says", "hint"),
    [
        ("", "1:1", "a policy file has `policies`", "write policies: "),
        ("# none\n", "1:1", "a policy file has `policies`", "write policies: "),
        ("policies: {max_prise: 3}", "1:12", "unknown key 'max_prise' in policies", ""),
        ("policies: {max_price: 3}", "1:12", "unknown key", "write max_price_per_gpu_hour"),
        ("policies: {budget: 3}", "1:12", "unknown key", "write project_budgets"),
        ("policies: {max_price_per_gpu_hour: {h100: cheap}}", "1:43", "is not a number of dollars", ""),
        ("policies: {max_price_per_gpu_hour: {h100: -1}}", "1:43", "must be above zero", ""),
        ("policies: {max_price_per_gpu_hour: {'h 100': 1}}", "1:37", "cannot be used", "is not an instance type"),
        ("policies: {max_price_per_gpu_hour: []}", "1:36", "must be a number", ""),
        ("policies: {max_price_per_gpu_hour: {}}", "1:36", "has no amount", ""),
        ("policies: {price_basis: list, protected: [bid.a]}", "1:25", "cannot be 'list'", "It is limit or now"),
        ("policies: {price_basis: now}", "1:11", "policies sets no rule", ""),
        ("policies: {}", "1:11", "policies sets no rule", ""),
        ("policies:", "1:10", "has no value", ""),
        ("policies: [a]", "1:11", "must be a mapping", ""),
        ("polices: {protected: [bid.a]}", "1:1", "unknown key 'polices'", "did you mean 'policies'?"),
        ("{}", "1:1", "a policy file has `policies`", ""),
        ("policies: {protected: [nonsense]}", "1:24", "cannot be used", "volume.NAME"),
        ("policies: {protected: []}", "1:23", "is an empty list", ""),
        ("policies: {protected: [1]}", "1:24", "must be text", ""),
        ("policies: {allowed_types: ['not a type']}", "1:28", "cannot be used", ""),
        ("policies: {allowed_regions: ['us central']}", "1:30", "must be a name", ""),
        ("policies: {hours: {from: '08:00'}}", "1:19", "hours has no time_zone", "as in hours: {from: "),
        ("policies: {hours: {from: 8, time_zone: UTC}}", "1:26", "'08:00', not a number", "write '08:00'"),
        ("policies: {hours: {from: '8:00', time_zone: UTC}}", "1:26", "must be a time", "write '08:00'"),
        ("policies: {hours: {from: '24:00', time_zone: UTC}}", "1:26", "cannot be 24:00", ""),
        ("policies: {hours: {from: '08:00', to: '08:00', time_zone: UTC}}", "1:19", "begins and ends at 08:00", ""),
        ("policies: {hours: {days: [monday], time_zone: UTC}}", "1:27", "cannot be 'monday'", "mean mon?"),
        ("policies: {project_budgets: 12}", "1:29", "must be a mapping", ""),
        ("policies: {protected: [bid.a]}\n---\npolicies: {protected: [bid.a]}", "3:1", "one document", ""),
        ("policies: {protected: [", "1:23", "", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_an_error_at_its_place(text: str, place: str, says: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(f"{text}\n")
    first = raised.value.problems[0]
    assert f"{first.position}" == f"policy.yaml:{place}", raised.value.problems
    assert says in first.summary and hint in (first.hint or "")


def test_all_that_is_wrong_of_hours_is_said_at_once_and_how_to_write_it() -> None:
    """It took three tries: a number was to be put in quotes, and was no time then either."""
    with pytest.raises(ConfigError) as raised:
        read("policies: {hours: {from: 7, to: 19, days: [Mo]}}\n")
    hints = [one.hint or "" for one in raised.value.problems]
    assert hints[0].startswith("add time_zone: Europe/Berlin, as in hours: {from: '08:00'")
    assert [hint.partition("?")[0] for hint in hints[1:]] == ["write '07:00'", "write '19:00'", "did you mean mon"]
    read("policies: {hours: {from: '07:00', to: '19:00', days: [mon], time_zone: Europe/Berlin}}\n")


def test_the_file_of_the_docs_is_one() -> None:
    [text] = [one.text for one in blocks((ROOT / "docs" / "policies.md").read_text()) if one.title == "policy.yaml"]
    assert None not in (getattr(read(text), one.name) for one in attrs.fields(Policies))
