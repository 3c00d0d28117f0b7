#!/usr/bin/env bash
# The fault simulator: seeded schedules of users, faults and crashes over the compute service and its hosts, with every invariant compared after each.
#   npm run simulate -- [--schedules 10000] [--seed N] [--worlds 6] [--replay SEED]
# A failing schedule prints its seed; --replay runs that one alone, and it takes the same course.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
while (($#)); do
  case $1 in
    --schedules) export SIMULATE_SCHEDULES=$2 ;;
    --seed) export SIMULATE_SEED=$2 ;;
    --worlds) export SIMULATE_WORLDS=$2 ;;
    --replay) export SIMULATE_REPLAY=$2 SIMULATE_WORLDS=1 ;;
    *) echo "usage: npm run simulate -- [--schedules N] [--seed N] [--worlds N] [--replay SEED]" >&2; exit 2 ;;
  esac
  shift 2
done
exec npx jest --selectProjects story --runInBand --forceExit --testPathPatterns tools/simulation -t 'holds every'
