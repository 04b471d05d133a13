#!/usr/bin/env bash
# Put the comment on the pull request PULL_REQUEST: in the place of the one that an earlier run made for the stack NAME.
set -euo pipefail

comment=$RUNNER_TEMP/flowplan-comment.md
body=$RUNNER_TEMP/flowplan-body.md
key="<!-- flowplan of $NAME -->"
{
  echo "$key"
  cat "$comment"
} > "$body"

earlier=$(gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments" |
  jq -r --arg key "$key" '.[] | select(.user.type == "Bot" and (.body | startswith($key))) | .id' | tail -n 1)
if [ -n "$earlier" ]; then
  gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$earlier" -F "body=@$body"
else
  gh api --silent --method POST "repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments" -F "body=@$body"
fi
