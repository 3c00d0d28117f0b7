#!/usr/bin/env bash
# Starts a cloud of its own, kills its parts at random while clients use it, prints what came of it, takes it down.
# Options: see e2e/chaos/options.ts.
set -uo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
state=/var/tmp/virga-chaos hosts=2 keep=
args=("$@")
for ((i = 0; i < ${#args[@]}; i++)); do
  case ${args[i]} in
    --state) state=${args[i + 1]:-} ;;
    --hosts) hosts=${args[i + 1]:-} ;;
    --keep) keep=1 ;;
    --help) sed -n "/USAGE = /,/\`;/p" e2e/chaos/options.ts; exit 0 ;;
  esac
done
./virga up --state "$state" --name vgc --port-offset 900 --hosts "$hosts" || exit 2
node tools/build.mjs e2e && node --enable-source-maps dist/e2e/chaos.js "$@"
code=$?
[[ -n $keep ]] || ./virga destroy --yes --state "$state" || code=1
exit $code
