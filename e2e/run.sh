#!/usr/bin/env bash
# Starts a cloud of its own on this machine, drives it as a user would (stock client, real guests), takes it down and
# looks for what it left behind. Usage: e2e/run.sh [jest options]. E2E_KEEP=1 leaves the cloud running. VIRGA_E2E_STATE,
# VIRGA_E2E_NAME and VIRGA_E2E_PORT_OFFSET let several runs share a machine.
set -uo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
export VIRGA_E2E_STATE=${VIRGA_E2E_STATE:-/var/tmp/virga-e2e} VIRGA_E2E_NAME=${VIRGA_E2E_NAME:-vge}
options=(--state "$VIRGA_E2E_STATE")

# The browser of the console tests, and letters for it to draw.
[[ -x /usr/bin/chromium ]] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } || exit 1

./virga destroy --yes "${options[@]}" >/dev/null 2>&1
if ! ./virga up "${options[@]}" --name "$VIRGA_E2E_NAME" --port-offset "${VIRGA_E2E_PORT_OFFSET:-500}" --hosts 2 --spice on; then
  ./virga logs "${options[@]}" | tail -n 200
  ./virga destroy --yes "${options[@]}"
  exit 1
fi
npx jest --selectProjects e2e --runInBand "$@"
code=$?
if [[ $code -ne 0 ]]; then
  mkdir -p tmp && cp -r "$VIRGA_E2E_STATE/log" "tmp/e2e-log-$(date +%s)" 2>/dev/null
fi
[[ ${E2E_KEEP:-} == 1 ]] || ./virga destroy --yes "${options[@]}" || code=1
exit $code
