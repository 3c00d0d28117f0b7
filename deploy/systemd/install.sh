#!/bin/bash
# Installs the units for a cloud that `virga up` has made: install.sh [STATE_DIRECTORY]. Stop the cloud with
# `virga down` first; afterwards it is started and stopped with systemctl start|stop virga.target.
set -euo pipefail
state=$(readlink -f "${1:-/var/lib/virga}")
here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
units=/etc/systemd/system
fail() { echo "install.sh: $*" >&2; exit 1; }

[[ -d /run/systemd/system ]] || fail "systemd does not run on this machine"
[[ -e $state/site.json ]] || fail "there is no cloud in $state; ./virga up makes one"
compgen -G "$state/parts/*/supervisor" >/dev/null && fail "the cloud runs; ./virga down first"

plumbing="virga-plumbing@$(systemd-escape --path "$state").service"
tasks=release,certificates,plumbing,mariadb-files,rabbitmq-files,ovn-files
for directory in "$state"/hosts/*/; do tasks+=,$(basename "$directory")-files; done

install -m 644 "$here/virga.target" "$units/virga.target"
sed "s#ROOT#$root#; s#TASKS#$tasks#" "$here/virga-plumbing@.service" >"$units/virga-plumbing@.service"
sed "s#STATE#$state#; s#PLUMBING#$plumbing#" "$here/virga@.service" >"$units/virga@.service"
systemctl daemon-reload
systemctl enable virga.target "$plumbing"
for directory in "$state"/parts/*/; do systemctl enable "virga@$(basename "$directory").service"; done
echo "installed; start it with: systemctl start virga.target"
