#!/usr/bin/env bash
# `npm test`: installs and builds what is missing, then runs every check and test.
#   tools/test.sh [types|lint|unit|story|e2e ...]     only these stages
# The last line is `N passed, N failed, N skipped` over all stages; the exit code is 0 only if nothing failed. A check
# counts as one test; a stage that crashes, hangs or runs no test counts as failed. Logs: tmp/test/STAGE.log.
set -uo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
logs=$PWD/tmp/test
state=${VIRGA_STATE:-/var/lib/virga}
export LC_ALL=C.UTF-8 NX_DAEMON=false NX_NO_CLOUD=true NX_TUI=false
# The private Node that ./virga installs where there is none.
PATH=$state/node/node_modules/.bin:$PWD/node_modules/.bin:$PATH

passed=0 failed=0 skipped=0 bad=() child=
say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }
count() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }
fail_stage() { count 0 1 0; bad+=("$1"); say "$1: failed: $2"; }

finish() {
  local stage
  for stage in "${bad[@]}"; do
    printf '\n---- %s: end of %s\n' "$stage" "tmp/test/$stage.log"
    tail -n 120 "$logs/$stage.log" 2>/dev/null
  done
  ((${#bad[@]})) && printf '\nfailed: %s\n' "${bad[*]}"
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  ((failed == 0 && passed > 0)); exit
}

# within SECONDS COMMAND...: ends the command with its children when it takes longer.
# It waits for a background job, so that an interruption is heard at once and handed on.
within() { timeout --kill-after=20 "$@" 3>&- & child=$!; wait "$child"; }

# check STAGE SECONDS COMMAND...: one check, by its exit code.
check() {
  local stage=$1 began=$SECONDS code=0; shift
  within "$@" >"$logs/$stage.log" 2>&1 </dev/null || code=$?
  if ((code == 0)); then count 1 0 0; say "$stage: passed in $((SECONDS - began)) s"
  else fail_stage "$stage" "exit code $code"; fi
}

# tests STAGE SECONDS COMMAND...: a command that takes jest's options and runs tests.
tests() {
  local stage=$1 began=$SECONDS code=0 sums p f s report=$logs/$1.json; shift
  rm -f "$report"
  within "$@" --ci --json --outputFile="$report" >"$logs/$stage.log" 2>&1 </dev/null || code=$?
  if ! sums=$(node tools/sum-tests.mjs "$report" 2>>"$logs/$stage.log"); then
    fail_stage "$stage" "exit code $code and no result"
    return 1
  fi
  read -r p f s <<<"$sums"
  count "$p" "$f" "$s"
  if ((f > 0)); then bad+=("$stage"); say "$stage: $p passed, $f failed, $s skipped in $((SECONDS - began)) s"
  elif ((code != 0)); then fail_stage "$stage" "$p tests passed, but the exit code is $code"
  else say "$stage: $p passed, $s skipped in $((SECONDS - began)) s"; fi
  return $((code != 0))
}

prepare() {
  local code=0
  if ((EUID != 0)) && [[ -d node_modules && $* != *story* && $* != *e2e* ]]; then return; fi
  within 900 ./virga prepare >"$logs/prepare.log" 2>&1 </dev/null || code=$?
  if ((code == 0)); then say "prepare: $(tail -n 1 "$logs/prepare.log")"; return; fi
  fail_stage prepare "exit code $code"
  finish
}

end_to_end() {
  if [[ ! -x e2e/run.sh ]]; then : >"$logs/e2e.log"; fail_stage e2e 'e2e/run.sh is missing'; return; fi
  export VIRGA_E2E_STATE=${VIRGA_E2E_STATE:-/var/tmp/virga-e2e}
  tests e2e 2400 e2e/run.sh && return
  # It takes its cloud down itself, unless it was ended.
  [[ ${E2E_KEEP:-} == 1 || ! -e $VIRGA_E2E_STATE/site.json ]] || within 180 ./virga destroy --yes --state "$VIRGA_E2E_STATE" >>"$logs/e2e.log" 2>&1 </dev/null
}

(($#)) || set -- types lint unit story e2e
for stage in "$@"; do
  case $stage in types | lint | unit | story | e2e) ;; *) echo "usage: tools/test.sh [types|lint|unit|story|e2e ...]" >&2; exit 2 ;; esac
done
rm -rf "$logs"; mkdir -p "$logs"
# Where the results go, also from within a stage whose output goes to its log.
exec 3>&1

trap 'trap "" INT TERM; exec 1>&3; kill "$child" 2>/dev/null; wait "$child"; bad+=(interrupted); count 0 1 0; finish' INT TERM
prepare "$@"
# Time limits bound a hang; they assert nothing about speed, which a busy machine would break.
for stage in "$@"; do
  case $stage in
    types) check types 300 tsc --noEmit -p tsconfig.json ;;
    lint) check lint 300 bash tools/lint.sh ;;
    unit) tests unit 600 jest --selectProjects unit --testTimeout 60000 ;;
    story) tests story 2400 jest --selectProjects story --runInBand --forceExit ;;
    e2e) end_to_end ;;
  esac
done
finish
