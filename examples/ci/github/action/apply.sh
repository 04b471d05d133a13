#!/usr/bin/env bash
# Apply the plan of the stack NAME that was reviewed: exactly, or not at all. A runner that ends a job sends its signals to
# one process, that of the step: this becomes flowplan, which stops, and records what it has done.
set -euo pipefail
PATH=$RUNNER_TEMP/flowplan/bin:$PATH

digest=$(cat "$RUNNER_TEMP/flowplan-digest")
exec flowplan --state "$RUNNER_TEMP/flowplan-state/$NAME.json" \
  apply "$RUNNER_TEMP/flowplan-reviewed/flowplan.plan.json" --expect "$digest" \
  > >(trap "" INT TERM && exec tee "$RUNNER_TEMP/flowplan-apply.log") 2>&1
