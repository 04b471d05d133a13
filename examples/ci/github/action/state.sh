#!/usr/bin/env bash
# state.sh fetch | save: the state of the stack NAME, which the branch STATE_BRANCH holds between runs. It is in
# $RUNNER_TEMP/flowplan-state while a job runs. One job of a stack at a time may save: workflows have a concurrency group
# for that. Jobs of other stacks may save to the same branch meanwhile.
set -euo pipefail

[[ $NAME =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || {
  echo "::error::name: letters, digits, dots, hyphens and underscores"
  exit 64
}
directory=$RUNNER_TEMP/flowplan-state
git=(git -c "credential.helper=!gh auth git-credential" -c user.name=flowplan -c user.email=flowplan@users.noreply.github.com)

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
  "${git[@]}" commit --quiet --message "State of $NAME after run ${GITHUB_RUN_ID:-}"
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    ! "${git[@]}" push --quiet origin "HEAD:refs/heads/$STATE_BRANCH" || return 0
    on_top || break
  done
  echo "::error::the state could not be saved. It is in the artifact of this run: put it on $STATE_BRANCH before the next run"
  exit 1
}

# Put this commit on top of those of other stacks, saved since it was fetched. Fails where there is none, and where one
# has a file that this commit has: no two states are mixed.
on_top() {
  local before
  before=$(git rev-parse HEAD^)
  "${git[@]}" fetch --quiet origin "refs/heads/$STATE_BRANCH" || return 1
  git merge-base --is-ancestor "$before" FETCH_HEAD || return 1
  [ "$before" != "$(git rev-parse FETCH_HEAD)" ] || return 1
  git diff --name-only "$before" HEAD > "$RUNNER_TEMP/flowplan-ours"
  git diff --name-only "$before" FETCH_HEAD > "$RUNNER_TEMP/flowplan-theirs"
  ! grep --quiet --line-regexp --fixed-strings --file "$RUNNER_TEMP/flowplan-ours" "$RUNNER_TEMP/flowplan-theirs" || return 1
  "${git[@]}" rebase --quiet FETCH_HEAD
}

"$1"
