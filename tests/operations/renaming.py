"""A stack that is applied under one name, and then under another."""

from __future__ import annotations

from tests.conftest import APPLY, Place

FIRST = """version: 2
name: alpha
project_name: my-foundry-project
ssh_key_name: my-ssh-key
defaults: {resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}}
tasks:
  train: {}
"""


def renamed(place: Place, text: str) -> None:
    """A stack that was applied as alpha, and is since, with what it had, as beta."""
    place.write(text)
    place.ok(*APPLY)
    place.edit("alpha", "beta")
    place.ok(*APPLY)
