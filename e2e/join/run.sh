#!/usr/bin/env bash
# The trial of `./virga host join`: a cloud with one lab host, a second Debian machine (see machine.sh) that joins it by a token, guests on
# both, traffic between them, live migration there and back, a console, and the way out again. Needs root and debootstrap,
# 3 GB of memory and 6 GB of disk; the first run takes about 15 minutes, most of it downloads.
#   e2e/join/run.sh        with VIRGA_JOIN_STATE, VIRGA_JOIN_NAME, VIRGA_JOIN_PORT_OFFSET for the cloud and
#                          VIRGA_JOIN_MACHINE for the machine's file system, which is kept and used again
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
state=${VIRGA_JOIN_STATE:-/var/tmp/virga-join} name=${VIRGA_JOIN_NAME:-vgj} offset=${VIRGA_JOIN_PORT_OFFSET:-1300} machine=${VIRGA_JOIN_MACHINE:-/var/tmp/virga-join-machine}
address_end=40 joined=second
virga=("$root/virga") there=("$root/e2e/join/machine.sh" run "$machine")
export PATH=/usr/bin:$PATH OS_CLOUD=virga OS_CLIENT_CONFIG_FILE=$state/clouds.yaml OS_COMPUTE_API_VERSION=2.30
began=$(date +%s%3N)
say() { local ms=$(($(date +%s%3N) - began)); printf '[%4d.%d s] %s\n' $((ms / 1000)) $((ms / 100 % 10)) "$*"; }
fail() { say "FAILED: $*"; exit 1; }
# until_true SECONDS WORDS COMMAND...
until_true() { local end=$((SECONDS + $1)) words=$2; shift 2; until "$@" >/dev/null 2>&1; do ((SECONDS < end)) || fail "$words"; sleep 1; done; }
refused() { local words=$1; shift; if out=$("$@" 2>&1); then fail "$words was not refused"; fi; say "refused, as it must be ($words): $(tail -n 1 <<<"$out")"; }
host_of() { openstack server show "$1" -f value -c OS-EXT-SRV-ATTR:host; }
state_of() { "${virga[@]}" host list --state "$state" --json | python3 -c 'import json, sys; print(next((h["state"] for h in json.load(sys.stdin) if h["name"] == sys.argv[1]), "absent"))' "$1"; }
is_state() { [[ $(state_of "$1") == "$2" ]]; }
clean_up() {
  [[ -z ${JOIN_KEEP:-} ]] || return 0
  "$root/e2e/join/machine.sh" stop "$machine"
  "${virga[@]}" destroy --yes --state "$state" >/dev/null 2>&1 || true
}
trap clean_up EXIT

[[ $(git -C "$machine/opt/virga" rev-parse HEAD 2>/dev/null) == "$(git -C "$root" rev-parse HEAD)" && -e $machine/opt/virga/dist/.sources ]] ||
  { say 'machine: is made, or brought to this version'; "$root/e2e/join/machine.sh" make "$machine"; }
# What it was in an earlier trial is forgotten; the private Node stays.
find "$machine/var/lib/virga" -mindepth 1 -maxdepth 1 ! -name node ! -name log -exec rm -rf {} + 2>/dev/null || true
say "machine: $(chroot "$machine" cat /etc/debian_version) $(du -sm --one-file-system "$machine" | cut -f1) MB"
known=(); [[ -e $state/site.json ]] || known=(--hosts 1)
"${virga[@]}" up --state "$state" --name "$name" --port-offset "$offset" "${known[@]}" >"$machine.up.log" || { tail -20 "$machine.up.log"; fail 'the cloud did not come up'; }
say "controller: $(tail -n 1 < <(grep 'is up' "$machine.up.log"))"

pid=$("$root/e2e/join/machine.sh" start "$machine" "$joined")
management=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["managementCidr"].rsplit(".", 1)[0])' "$state/site.json")
# As one would plug it in: a port of the management bridge and one of the tunnels' bridge.
ip link add "${name}jm" type veth peer name eth0 netns "$pid"
ip link set "${name}jm" master "${name}mgmt" up
ip -n "$name-fabric" link add "${name}jt" mtu 1600 type veth peer name eth1 netns "$pid"
ip -n "$name-fabric" link set "${name}jt" master tunnels up
ip netns exec "$name-fabric" ethtool -K "${name}jt" tx off gro off >/dev/null
"${there[@]}" ip addr add "$management.$address_end/24" dev eth0
"${there[@]}" ip link set eth0 up
say "machine: on, with $("${there[@]}" hostname) $management.$address_end and its own processes: $("${there[@]}" ls /proc | grep -c '^[0-9]')"

join() { "${there[@]}" /opt/virga/virga host join --controller "https://$management.1:$((9444 + offset))" --tunnel-interface eth1 --virt-type qemu --no-install "$@"; }
token() { "${virga[@]}" host token --state "$state" --json "$@" | python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])'; }
good=$(token)
refused 'a token of another cloud' join --token "${good%?????}AAAAA"
refused 'a name that a lab host has' join --host-name host1 --token "$good"
join --token - <<<"$good" >"$machine.join.log" 2>&1 || { tail -20 "$machine.join.log"; fail 'it did not join'; }
say "joined: $(tail -n 1 "$machine.join.log")"
grep -rqF "$good" "$state/log" "$state/etc" "$machine/var/lib/virga" && fail 'the token lies about'
refused 'joining twice' join --token "$good"
until_true 60 'the controller does not show it as up' is_state "$joined" up
"${virga[@]}" host list --state "$state"

openstack network create net1 >/dev/null
openstack subnet create --network net1 --subnet-range 10.10.0.0/24 sub1 >/dev/null
boot() { openstack server create --image tiny --flavor m1.tiny --network net1 --availability-zone "nova:$2" --wait "$1" >/dev/null; [[ $(host_of "$1") == "$2" ]] || fail "$1 is not on $2"; }
boot near host1; boot far "$joined"
is_ready() { openstack console log show "$1" | grep -q '^VIRGA-READY'; }
for guest in near far; do until_true 180 "$guest did not boot" is_ready "$guest"; done
say "guests: near on $(host_of near), far on $(host_of far), both booted"

# The lab host's guest pings the other through the tunnel between the machines, as its probe prints on its console.
far_ip=$(openstack port list --server far -f json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["Fixed IP Addresses"][0]["ip_address"])')
near_ip=$(openstack port list --server near -f json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["Fixed IP Addresses"][0]["ip_address"])')
# at GUEST LINE PATTERN: what it prints; each URL is good once.
at() { local url; url=$(openstack console url show --serial "$1" -f value -c url) && node "$root/e2e/join/console.mjs" "$url" "$2" "$3"; }
pings() { at "$1" "ping -c 3 -W 2 $2" '3 packets transmitted, [1-3] packets received'; }
until_true 60 'near does not reach far' pings near "$far_ip"
say "traffic: near ($near_ip, on host1) pings far ($far_ip, on $joined): $(pings near "$far_ip" | grep -o '[0-9]* packets transmitted.*')"
say "console: the shell of far, on $joined, by the console proxy: $(at far 'echo $((6 * 7)) is the answer' '42 is' | grep '^42')"

migrate() { openstack server migrate --live-migration --host "$2" --wait "$1" >/dev/null; [[ $(host_of "$1") == "$2" ]] || fail "$1 did not get to $2"; say "migration: $1 to $2, live"; }
boot_id() { at "$1" 'cat /proc/sys/kernel/random/boot_id' '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' | grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' | tail -n 1; }
before=$(boot_id near)
migrate near "$joined"
until_true 60 'near is not reached any more' pings far "$near_ip"
migrate near host1
[[ -n $before && $(boot_id near) == "$before" ]] || fail 'near was booted anew'
migrate far host1; migrate far "$joined"
until_true 60 'near does not reach far after the migrations' pings near "$far_ip"
say "guests: both reach each other, near has the boot id that it had"

refused 'removing a host with guests' "${virga[@]}" host remove "$joined" --state "$state"
openstack server delete --wait far
refused 'removing a machine that is alive' "${virga[@]}" host remove "$joined" --state "$state"
"${there[@]}" /opt/virga/virga down >"$machine.down.log" || { cat "$machine.down.log"; fail 'down left something behind'; }
say "machine: $(tail -n 1 "$machine.down.log")"
"${there[@]}" /opt/virga/virga up --no-install >"$machine.again.log" || { tail -20 "$machine.again.log"; fail 'it did not start again'; }
say "machine: started again: $(tail -n 1 "$machine.again.log")"
until_true 60 'the controller does not show it as up again' is_state "$joined" up
"${there[@]}" /opt/virga/virga down >"$machine.down.log" || fail 'down left something behind'
until_true 120 'it is still shown as up' is_state "$joined" down
"${virga[@]}" host remove "$joined" --state "$state"
is_state "$joined" absent || fail 'it is still listed'
refused 'starting a host that was removed' "${there[@]}" timeout 60 /opt/virga/virga up --no-install
"${virga[@]}" verify --state "$state"
say 'all of it held'
