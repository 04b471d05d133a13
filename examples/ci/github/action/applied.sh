#!/usr/bin/env bash
# Put what the apply of the stack NAME said into the summary of the job, if it was begun.
set -euo pipefail

log=$RUNNER_TEMP/flowplan-apply.log
[ -e "$log" ] || exit 0
{
  echo "### flowplan apply: $NAME"
  echo
  tail -n 100 "$log" | sed 's/^/    /' # indented, it is code for Markdown, whatever it says
} >> "$GITHUB_STEP_SUMMARY"
