#!/usr/bin/env bash
# Runs Debian's Tempest against a running cloud, which must be one for tests: it makes and deletes projects, servers and
# networks. Usage: eval "$(./virga openrc)"; e2e/tempest/run.sh [-j WORKERS] [-d DIR] REGEX... | LISTFILE
#   e2e/tempest/run.sh tempest.api.compute.admin.test_aggregates 'tempest\.api\.compute\.keypairs'
#   e2e/tempest/run.sh my-tests.txt          # one test id or regular expression a line, # for comments
#   TEMPEST_IMAGE=tiny TEMPEST_FLAVOR=m1.tiny e2e/tempest/run.sh test_get_console_output   # guests that print something
# Prints the tests that failed and `N passed, N failed, N skipped`; exit code 0 when none failed and some ran.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
: "${OS_AUTH_URL:?eval the output of ./virga openrc first}"
workers=2 dir=$here/../../tmp/tempest
while getopts j:d: option; do
  case $option in j) workers=$OPTARG ;; d) dir=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))
[[ $# -gt 0 ]] || { echo 'which tests? give regular expressions or a file with them' >&2; exit 2; }
[[ -x /usr/bin/tempest ]] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tempest python3-tempest python3-stestr >/dev/null; }

mkdir -p "$dir" && dir=$(readlink -f "$dir")
list=$dir/tests.txt
if [[ -f $1 ]]; then grep -vE '^(#|$)' "$1" > "$list"; else printf '%s\n' "$@" > "$list"; fi
node "$here/configure.mjs" "$dir"

# Debian's packages are seen by Debian's Python alone.
export PATH=/usr/bin:/bin:/usr/sbin:/sbin PYTHON=/usr/bin/python3 TEMPEST_CONFIG_DIR=$dir/etc TEMPEST_CONFIG=tempest.conf OS_TEST_TIMEOUT=600 PYTHONWARNINGS=ignore
cd "$dir"
[[ -d .stestr ]] || stestr init >/dev/null 2>&1
stestr run --include-list "$list" --concurrency "$workers" > run.log 2>&1 || true
stestr failing --list 2>/dev/null | sed 's/^/failed: /' || true
count() { sed -n "s/^ - $1: *\([0-9]*\).*/\1/p" run.log | tail -n 1; }
passed=$(count Passed) failed=$(count Failed) skipped=$(count Skipped)
[[ -n $passed ]] || { tail -n 30 run.log >&2; echo 'no test ran' >&2; exit 1; }
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 && $passed -gt 0 ]]
