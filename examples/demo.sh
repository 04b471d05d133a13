#!/usr/bin/env bash
# The main job in one go, on the embedded simulator: no account, no network, nothing to pay.
# Prints each command before it runs it, as it can be typed. Works in a directory of its own and removes it at the end.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

[ -t 1 ] && bold=$'\033[1m' plain=$'\033[0m' || bold='' plain=''
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
typed() { # the words as a shell reads them
    local word
    for word in "$@"; do
        case $word in
            *\'*) printf ' %q' "$word" ;;
            *[!A-Za-z0-9_./:=-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
}
run() {
    printf '\n%s$%s%s\n' "$bold" "$(typed "$@")" "$plain"
    "$@"
}

say "Foundry's example, and the embedded FCP: without FLOWPLAN_API_URL the same commands speak to the real one."
run cp "$here/task/flowplan.yaml" .
run export FLOWPLAN_API_URL=sim:
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
