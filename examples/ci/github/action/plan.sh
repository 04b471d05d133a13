#!/usr/bin/env bash
# Plan the stack NAME with the ARGUMENTS, one a line. Leaves the saved plan, the comment and the exit code; does not fail
# where the plan does: the comment comes first.
set -euo pipefail
PATH=$RUNNER_TEMP/flowplan/bin:$PATH

plan=$RUNNER_TEMP/flowplan.plan.json
comment=$RUNNER_TEMP/flowplan-comment.md
summary=$RUNNER_TEMP/flowplan-summary.md
rm -f "$plan" "$comment"
: > "$summary"
given=()
while IFS= read -r line; do
  [ -z "$line" ] || given+=("$line")
done <<< "${ARGUMENTS:-}"

code=0
GITHUB_STEP_SUMMARY=$summary flowplan --state "$RUNNER_TEMP/flowplan-state/$NAME.json" \
  plan --format github --detailed-exitcode --out "$plan" ${given[@]+"${given[@]}"} || code=$?
echo "exit_code=$code" >> "$GITHUB_OUTPUT"
cat "$summary" >> "$GITHUB_STEP_SUMMARY"
if [ -e "$plan" ]; then
  flowplan show "$plan" # for the log
  flowplan show "$plan" --format markdown > "$comment"
  echo "artifact=flowplan-$NAME-$(flowplan show "$plan" --format json | jq -r .sha256)" >> "$GITHUB_OUTPUT"
elif [ -s "$summary" ] && [ "$(wc -c < "$summary")" -le 60000 ]; then
  cp "$summary" "$comment"
else
  echo "**flowplan failed, with exit code $code.** The log of the job says why." > "$comment"
fi
