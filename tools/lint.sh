#!/usr/bin/env bash
# `npm run lint`: makes the project graph (without it the boundary rule is skipped in silence), lints everything, and
# proves that the boundary rule was on. Arguments go to eslint, e.g. `npm run lint -- --fix libs/core`.
set -uo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
export NX_DAEMON=false NX_NO_CLOUD=true NX_TUI=false NX_VERBOSE_LOGGING=false
if ! graph=$(npx --no-install nx show projects 2>&1); then
  printf '%s\nlint: the project graph could not be made\n' "$graph" >&2
  exit 2
fi
failed=0
(($#)) || set -- .
npx --no-install eslint --max-warnings 0 "$@" || failed=1
node tools/boundary-canary.mjs || failed=1
((failed)) || echo 'lint: no problem found'
exit $failed
