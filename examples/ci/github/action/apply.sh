#!/usr/bin/env bash
# Apply the plan of the stack NAME that was reviewed: exactly, or not at all.
set -euo pipefail
PATH=$RUNNER_TEMP/flowplan/bin:$PATH

log=$RUNNER_TEMP/flowplan-apply.log
code=0
flowplan --state "$RUNNER_TEMP/flowplan-state/$NAME.json" \
  apply "$RUNNER_TEMP/flowplan-reviewed/flowplan.plan.json" --expect "$(cat "$RUNNER_TEMP/flowplan-digest")" 2>&1 |
  tee "$log" || code=$?
{
  echo "### flowplan apply: $NAME"
  echo
  tail -n 100 "$log" | sed 's/^/    /' # indented, it is code for Markdown, whatever it says
} >> "$GITHUB_STEP_SUMMARY"
exit "$code"
