#!/usr/bin/env bash
# Apply the plan of the stack NAME that was reviewed: exactly, or not at all.
set -euo pipefail
PATH=$RUNNER_TEMP/flowplan/bin:$PATH

flowplan --state "$RUNNER_TEMP/flowplan-state/$NAME.json" \
  apply "$RUNNER_TEMP/flowplan-reviewed/flowplan.plan.json" --expect "$(cat "$RUNNER_TEMP/flowplan-digest")"
