"""Mistakes seeded in flowplan/startup."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "a damaged script counts as the one that runs",
        "startup/carried.py",
        " or hashlib.sha256(data).hexdigest() != digest[1]",
        "",
        ("tests/startup/test_carried.py",),
    ),
    Mistake(
        "remove the user's script when its main process ends",
        "startup/steps.sh.j2",
        '  say "script: exit code $code"\n',
        '  rm -r "$dir"\n  say "script: exit code $code"\n',
        ("tests/startup/test_node_script.py", "-k", "background"),
    ),
    Mistake(
        "format an attached volume",
        "startup/steps.sh.j2",
        'if [ "$1" != attached ]; then',
        "if true; then",
        ("tests/startup/test_node_disks.py", "-k", "not_formatted_either"),
    ),
    Mistake(
        "format without looking for zeros",
        "startup/steps.sh.j2",
        'blank "$2" || {',
        "true || {",
        ("tests/startup/test_node_disks.py", "-k", "one_byte"),
    ),
    Mistake(
        "look at the head of the disk only",
        "startup/steps.sh.j2",
        'zeros "$1" $((size - end)) $end || return',
        "true || return",
        ("tests/startup/test_node_disks.py", "-k", "one_byte"),
    ),
    Mistake(
        "look at nothing between head and end",
        "startup/steps.sh.j2",
        "for ((i = 1; i < 64; i++)); do\n    zeros",
        "for ((i = 64; i < 64; i++)); do\n    zeros",
        ("tests/startup/test_node_disks.py", "-k", "one_byte"),
    ),
    Mistake(
        "format what another process has open",
        "startup/steps.sh.j2",
        'until unused "$2"; do',
        "until true; do",
        ("tests/startup/test_node_disks.py", "-k", "open_is_left"),
    ),
    Mistake(
        "format a volume as a local disk",
        "startup/steps.sh.j2",
        '[ "$1" = local ] &&',
        "false &&",
        ("tests/startup/test_node_disks.py", "-k", "another_name"),
    ),
    Mistake(
        "format without the lock",
        "startup/steps.sh.j2",
        "  flock 9\n",
        "",
        ("tests/startup/test_node_disks.py", "-k", "two_runs or without_the_tool"),
    ),
    Mistake(
        "lose the minutes counted when one cannot be written",
        "startup/steps.sh.j2",
        'echo "$n" >"$count-" && mv "$count-" "$count"',
        'echo "$n" >"$count"',
        ("tests/startup/test_node_ends.py", "-k", "cannot_be_written"),
    ),
)
