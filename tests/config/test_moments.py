"""What is said of a moment, or of a time, that is none."""

from __future__ import annotations

import pytest

from flowplan.config import Source, read
from flowplan.errors import ConfigError

MOMENT = "write date, time and zone; max_hours counts the hours that it runs"
TIME = "write hours and minutes, from '00:00' to '24:00'"


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        ("tasks: {a: {lifetime: {end_at: tomorrow}}}", MOMENT),
        ("tasks: {a: {lifetime: {end_at: '2026-12-01T08:00'}}}", MOMENT),
        ("tasks: {a: {lifetime: {end_at: '12h'}}}", MOMENT),
        ("policies: {hours: {from: 8am, to: '19:00', time_zone: Etc/UTC}}", "write '08:00'"),
        ("policies: {hours: {to: 7.30 pm, time_zone: Etc/UTC}}", "write '19:30'"),
        ("policies: {hours: {to: 12am, time_zone: Etc/UTC}}", "write '00:00'"),
        ("policies: {hours: {to: 13pm, time_zone: Etc/UTC}}", TIME),
        ("policies: {hours: {to: 24, time_zone: Etc/UTC}}", "write '24:00'"),
        ("policies: {hours: {from: 24, time_zone: Etc/UTC}}", "write '00:00'"),
        ("policies: {hours: {from: 24h00, time_zone: Etc/UTC}}", "write '00:00'"),
        ("policies: {hours: {to: true, time_zone: Etc/UTC}}", TIME),
        ("policies: {hours: {from: '08:00', to: '25:00', time_zone: Etc/UTC}}", TIME),
    ],
)
def test_what_is_none_is_told_what_to_write(more: str, hint: str) -> None:
    """A letter of it is not what is wrong."""
    spec = "defaults: {resources_specification: {fcp_instance: h100.8x.SXM5.IB}}"
    with pytest.raises(ConfigError) as refused:
        read([Source("flowplan.yaml", f"version: 2\n{spec}\n{more}\n".encode())], lambda *_: b"")
    assert hint in [one.hint for one in refused.value.problems]
