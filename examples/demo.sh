#!/usr/bin/env bash
# The main job in one go, on the embedded simulator: no account, no network, nothing to pay.
# Prints each command before it runs it. Works in a directory of its own and removes it at the end.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/task/flowplan.yaml" "$work/"
cd "$work"
export FLOWPLAN_API_URL=sim:
# With FLOWPLAN_API_URL, one word is the embedded FCP; without it, the same commands speak to the real one.

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
run() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}
[ -t 1 ] || { say() { printf '\n# %s\n' "$*"; }; run() { printf '\n$ %s\n' "$*"; "$@"; }; }

say "What would change, and what would it cost?"
run flowplan plan
say "Do it."
run flowplan apply --auto-approve
say "Nothing is left to do."
run flowplan plan
say "Another limit price: updated in place."
run sed -i 's/utility_threshold_price: 17.92/utility_threshold_price: 21.50/' flowplan.yaml
run flowplan apply --auto-approve
say "Another port: ports are set up on first boot, so the bid is replaced; the volume and its data stay."
run sed -i 's/"8080"/"8090"/' flowplan.yaml
run flowplan apply --auto-approve
say "An hour later."
run flowplan simulator advance 1h
run flowplan status
say "Away with it. The volume holds data, so it has to be named."
run flowplan destroy --auto-approve --allow-volume-destroy my-new-volume
say "That was all of it: plan, apply, update, replace, status, destroy."
