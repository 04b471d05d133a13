#!/usr/bin/env bash
# state.sh fetch | save: the state of the stack NAME, which the branch STATE_BRANCH holds between runs. It is in
# $RUNNER_TEMP/flowplan-state while a job runs. One job at a time may save: workflows have a concurrency group for that.
set -euo pipefail

[[ $NAME =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || {
  echo "::error::name: letters, digits, dots, hyphens and underscores"
  exit 64
}
directory=$RUNNER_TEMP/flowplan-state
git=(git -c "credential.helper=!gh auth git-credential")

fetch() {
  if ! "${git[@]}" fetch --quiet origin "refs/heads/$STATE_BRANCH"; then
    # Without its state flowplan would take all that runs for somebody else's, and place it once more.
    echo "::error::the branch $STATE_BRANCH cannot be fetched. If this is the first run, make it: docs/ci.md"
    exit 1
  fi
  git worktree add --quiet --force --detach "$directory" FETCH_HEAD
}

save() {
  cd "$directory"
  git add --all -- . ":(exclude,glob)**/*.lock" ":(exclude)*plan.key"
  if git diff --cached --quiet; then
    echo "The state has not changed."
    return
  fi
  git -c user.name=flowplan -c user.email=flowplan@users.noreply.github.com commit --quiet \
    --message "State of $NAME after run ${GITHUB_RUN_ID:-}"
  if ! "${git[@]}" push --quiet origin "HEAD:refs/heads/$STATE_BRANCH"; then
    echo "::error::the state could not be saved. It is in the artifact of this run: put it on $STATE_BRANCH before the next run"
    exit 1
  fi
}

"$1"
