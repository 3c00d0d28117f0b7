#!/usr/bin/env bash
# Starts a cloud of its own, moves its guests under every disturbance that there is a trial for, prints what came of it, takes it down.
# Options: see e2e/trials/options.ts.
set -uo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
state=/var/tmp/virga-trials name=vgm offset=1100 keep=
args=("$@")
for ((i = 0; i < ${#args[@]}; i++)); do
  case ${args[i]} in
    --state) state=${args[i + 1]:-} ;;
    --name) name=${args[i + 1]:-} ;;
    --port-offset) offset=${args[i + 1]:-} ;;
    --keep) keep=1 ;;
    --help) sed -n "/USAGE = /,/\`;/p" e2e/trials/options.ts; exit 0 ;;
  esac
done
./virga up --state "$state" --name "$name" --port-offset "$offset" --hosts 2 || exit 2
node tools/build.mjs e2e && node --enable-source-maps dist/e2e/trials.js "$@"
code=$?
[[ -n $keep ]] || ./virga destroy --yes --state "$state" || code=1
exit $code
