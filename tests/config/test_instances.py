"""The instances of a task: types by name or by properties, region, count."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flowplan.config import GpuWanted
from tests.config.task_texts import TYPE, task_of


@pytest.mark.parametrize(
    "text", ["h100.8x.SXM5.IB", "h100-80gb.sxm.8x", "8xh100", "h100:8", "it_5ECSoHQjLBzrp5YM", "cpu"]
)
def test_types_by_name(text: str) -> None:
    assert task_of(f"resources_specification: {{fcp_instance: '{text}'}}\n").instance_types == (text,)


def test_several_types_in_preferred_order() -> None:
    text = "resources_specification: {fcp_instance: [h100.8x.SXM5.IB, a100.8x.SXM4.IB], num_gpus: 8}\n"
    assert task_of(text).instance_types == ("h100.8x.SXM5.IB", "a100.8x.SXM4.IB")


def test_types_by_properties() -> None:
    text = "{gpu_type: NVIDIA H100, num_gpus: 8, intranode_interconnect: SXM5, internode_interconnect: IB_1600}"
    task = task_of(f"resources_specification: {text}\n")
    assert (task.instance_types, task.gpu) == ((), GpuWanted("NVIDIA H100", 8, "SXM5", "IB_1600"))


def test_a_region_has_two_spellings() -> None:
    for text in (
        "cluster_id: us-central1-b",
        "region: us-central1-b",
        "region: us-central1-b, cluster_id: us-central1-b",
    ):
        assert task_of(f"resources_specification: {{gpu_type: H100, {text}}}\n").region == "us-central1-b"


def test_num_instances_may_stand_in_three_places() -> None:
    for text in (
        "resources_specification: {fcp_instance: 8xh100, num_instances: 3}\n",
        f"num_instances: 3\n{TYPE}",
        f"task_management: {{num_instances: 3}}\n{TYPE}",
        "num_instances: 3\ntask_management: {num_instances: 3}\n"
        "resources_specification: {fcp_instance: 8xh100, num_instances: 3}\n",
    ):
        assert task_of(text).instance_quantity == 3


def test_advanced() -> None:
    text = "{fcp_instance: 8xh100, advanced: {optimize: budget, nearest_estimated_duration: 1.5}}"
    task = task_of(f"resources_specification: {text}\n")
    assert (task.optimize, task.estimated_hours) == ("budget", Decimal("1.5"))
