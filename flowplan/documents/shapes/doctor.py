"""What flowplan needs in order to work, each thing checked."""

from typing import Literal, TypeAlias, TypedDict

Subject: TypeAlias = Literal[
    "credentials", "api", "clock", "project", "ssh_key", "quota", "configuration", "backend", "state", "lock"
]
# `skipped`: nothing was checked, because there is nothing yet, or another check failed that this one needs.
Verdict: TypeAlias = Literal["ok", "warning", "failed", "skipped"]


class CheckBody(TypedDict):
    """`remedy`: what to do, where there is something to do."""

    subject: Subject
    verdict: Verdict
    summary: str
    remedy: str | None


class DoctorDocument(TypedDict):
    """`healthy`: no check failed."""

    format_version: str
    flowplan_version: str
    healthy: bool
    checks: list[CheckBody]
