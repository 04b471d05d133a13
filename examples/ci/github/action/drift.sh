#!/usr/bin/env bash
# Keep one issue open for the stack NAME while its plan has changes, EXIT_CODE being what `flowplan plan` ended with.
set -euo pipefail

key="<!-- flowplan drift of $NAME -->"
body=$RUNNER_TEMP/flowplan-body.md
open=$(gh api --paginate "repos/$GITHUB_REPOSITORY/issues?state=open&labels=flowplan-drift" |
  jq -r --arg key "$key" '.[] | select(.user.type == "Bot" and (.body // "" | startswith($key))) | .number' | tail -n 1)

case $EXIT_CODE in
  0)
    [ -z "$open" ] || gh issue close "$open" --repo "$GITHUB_REPOSITORY" --comment "What is live matches the files again."
    ;;
  2 | 3)
    {
      echo "$key"
      echo "What is live, what the state has and what the files say are not the same. A plan would do this:"
      echo
      cat "$RUNNER_TEMP/flowplan-comment.md"
    } > "$body"
    if [ -n "$open" ]; then
      gh issue edit "$open" --repo "$GITHUB_REPOSITORY" --body-file "$body"
    else
      gh label create flowplan-drift --repo "$GITHUB_REPOSITORY" --force --description "What is live differs from the files"
      gh issue create --repo "$GITHUB_REPOSITORY" --label flowplan-drift --body-file "$body" \
        --title "flowplan: $NAME differs from what is live"
    fi
    ;;
  *) exit "$EXIT_CODE" ;; # it could not be looked at: the issue stays as it is
esac
