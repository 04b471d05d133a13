"""Faults of the process, the disk, the state, the lock and the plan as rows, with the cells that no test can have."""

from __future__ import annotations

from tests.faults.matrix import Matrix

MATRIX = Matrix(
    "3.2",
    {
        "signal-once": "SIGINT/SIGTERM/SIGHUP once",
        "signal-twice": "twice",
        "sigkill": "SIGKILL at any write/HTTP boundary",
        "sigstop": "SIGSTOP 10 min, then CONT",
        "worker-dies": "child/OOM kill of one worker thread",
        "enospc": "ENOSPC on state/journal",
        "read-only": "read-only dir / file",
        "eio": "EIO on fsync/close",
        "other-errnos": "EDQUOT, EMFILE, ENAMETOOLONG",
        "state-unreadable": "state empty (0 bytes) / NULs / truncated / garbage / bad checksum",
        "state-missing": "state missing, but journal, backup or lock dir exist",
        "state-went-back": "older serial than last seen / than remote",
        "state-too-new": "newer format version",
        "state-too-old": "older format",
        "other-lineage": "other lineage",
        "state-inconsistent": "duplicate ids/addresses in state, dangling deps",
        "lock-held": "lock held, live local process",
        "lock-of-the-dead": "lock held, dead process (same boot)",
        "lock-elsewhere": "lock by other host / unknown",
        "force-unlock": "`force-unlock` with wrong id",
        "concurrent": "N concurrent applies",
        "lock-lost": "lock lost in mid-run (pg session, S3 object deleted)",
        "cas-reply-lost": "backend: CAS reply lost",
        "stale-plan": "stale plan (serial, lineage, config digest, observed digest, flowplan version differ)",
        "plan-damaged": "plan file truncated / bit-flip / other type / future version",
        "plan-edited": "plan file edited consistently",
        "plan-for-another": "plan for other project/endpoint/account",
        "streams": "stdout closed / full / TERM=dumb / no TTY",
    },
)
cell = MATRIX.cell
MATRIX.not_applicable("a plan ends at the first signal", "signal-twice/plan")
MATRIX.not_applicable("a plan changes nothing that a lock lost would matter to", "sigstop/plan", "lock-lost/plan")
MATRIX.not_applicable("a plan has no workers that change anything", "worker-dies/plan")
MATRIX.not_applicable("a plan syncs no state", "eio/plan")
MATRIX.not_applicable("format 1 is the first: there is no older one", "state-too-old/*")
MATRIX.not_applicable(
    "the command is force-unlock itself, listed under apply", "force-unlock/plan", "force-unlock/destroy"
)
MATRIX.not_applicable("remote backends, whose writes compare and set, do not exist yet", "cas-reply-lost/*")
MATRIX.not_applicable(
    "a plan reads no saved plan",
    *(f"{row}/plan" for row in ("stale-plan", "plan-damaged", "plan-edited", "plan-for-another")),
)
