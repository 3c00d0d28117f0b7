#!/usr/bin/env bash
# How long `./virga up` takes: the first time (with whatever must still be installed), and again after `down`.
# Usage: bench/up.sh [STATE_DIR]. The state directory must not exist; the cloud is destroyed at the end.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
state=${1:-/var/tmp/virga-bench-up}
[[ ! -e $state ]] || { echo "$state exists already" >&2; exit 2; }
seconds() { local from=$1 to=$2; awk "BEGIN { printf \"%.1f s\", ($to - $from) / 1000 }"; }
now() { date +%s%3N; }

missing=0
while read -r package _; do
  [[ -z $package || $package == \#* ]] || dpkg -s "$package" >/dev/null 2>&1 || missing=$((missing + 1))
done < <(cat deploy/packages.txt deploy/guest/packages.txt)
modules=$([[ -d node_modules ]] && echo present || echo missing)
a=$(now); ./virga up --state "$state"; b=$(now)
./virga down --state "$state"; c=$(now)
./virga up --state "$state"; d=$(now)
./virga destroy --yes --state "$state"
echo
echo "Debian packages missing before: $missing; node_modules before: $modules"
echo "first up:            $(seconds "$a" "$b")   goal at most 300 s with all packages to be fetched"
echo "down:                $(seconds "$b" "$c")"
echo "second up:           $(seconds "$c" "$d")   goal at most 40 s"
