#!/usr/bin/env bash
# Find the plan of the stack NAME that was reviewed: its digest is in the comment on the pull request that was merged as
# GITHUB_SHA, and the plan is the artifact with this digest in its name. Nothing is applied that nobody could read.
set -euo pipefail

fail() {
  echo "::error::$*"
  exit 1
}

pull_request=$(gh api "repos/$GITHUB_REPOSITORY/commits/$GITHUB_SHA/pulls" |
  jq -r --arg sha "$GITHUB_SHA" '[.[] | select(.merge_commit_sha == $sha)][0].number // empty')
[ -n "$pull_request" ] || fail "no pull request was merged as $GITHUB_SHA: open one, so that its plan can be reviewed"

digest=$(gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$pull_request/comments" |
  jq -r --arg key "<!-- flowplan of $NAME -->" \
    '.[] | select(.user.type == "Bot" and (.body | startswith($key))) | .body | split("\n")[1]' |
  tail -n 1 | # the last one counts, also where it says that there is no plan
  sed -n 's/^<!-- flowplan stack=[^ ]* project=[^ ]* plan=\([0-9a-f]\{64\}\) -->\r\{0,1\}$/\1/p')
[ -n "$digest" ] || fail "the pull request #$pull_request has no plan of $NAME that could be applied"

rm -rf "$RUNNER_TEMP/flowplan-reviewed"
gh run download --repo "$GITHUB_REPOSITORY" --name "flowplan-$NAME-$digest" --dir "$RUNNER_TEMP/flowplan-reviewed" ||
  fail "the plan $digest of the pull request #$pull_request is gone: artifacts are kept for a limited time. Plan again"
echo "$digest" > "$RUNNER_TEMP/flowplan-digest"
echo "The plan of the pull request #$pull_request has the digest $digest."
