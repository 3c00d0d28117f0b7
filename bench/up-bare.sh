#!/usr/bin/env bash
# How long `./virga up` takes on a bare Debian 12: bench/up-bare.sh [DIRECTORY]
# Makes a minimal Debian with debootstrap, clones this repository into it, and runs up, a guest, down, up, destroy there,
# in a mount namespace of its own with that Debian as its root. Uses the network of this machine and the names and ports of
# `--name vgb --port-offset 4000`. Needs root, debootstrap and about 5 GB; removes what it made.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
bare=${1:-/var/tmp/virga-bare}
[[ ! -e $bare ]] || { echo "$bare exists already" >&2; exit 2; }
trap 'rm -rf --one-file-system "$bare"' EXIT
debootstrap --variant=minbase --include=ca-certificates,git bookworm "$bare" >"${TMPDIR:-/tmp}/virga-debootstrap.log"
git clone -q "$root" "$bare/opt/virga"
# How this machine reaches the package registries holds inside, too.
for file in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt /root/.npmrc /etc/apt/apt.conf.d/*proxy*; do
  [[ ! -f $file ]] || install -D -m 600 "$file" "$bare$file"
done
chmod 644 "$bare/etc/resolv.conf" "$bare/etc/ssl/certs/ca-certificates.crt"

cat >"$bare/root/measure" <<'INSIDE'
cd /opt/virga
now() { date +%s%3N; }
took() { printf '%-12s %s\n' "$1" "$(awk "BEGIN { printf \"%.1f s\", ($3 - $2) / 1000 }")"; }
set -e
a=$(now); ./virga up --name vgb --port-offset 4000; b=$(now)
export OS_CLOUD=virga
openstack network create net1 >/dev/null
openstack subnet create --network net1 --subnet-range 10.10.0.0/24 sub1 >/dev/null
c=$(now); openstack server create --image tiny --flavor m1.tiny --network net1 --wait s1 >/dev/null; d=$(now)
for _ in {1..120}; do openstack console log show s1 | grep -q '^VIRGA-READY' && break; sleep 1; done
openstack console log show s1 | grep -m1 '^VIRGA-READY'
./virga status
e=$(now); ./virga down; f=$(now); ./virga up; g=$(now)
openstack server list
./virga destroy --yes
echo; uname -r; nproc; cat /proc/loadavg
took 'first up' "$a" "$b"; took 'guest ACTIVE' "$c" "$d"; took down "$e" "$f"; took 'second up' "$f" "$g"
INSIDE
unshare --mount /bin/bash -euc '
  mount --make-rprivate /; mount --bind "$1" "$1"; cd "$1"; mkdir -p was
  mount -t proc proc proc; mount --rbind /sys sys; mount --rbind /dev dev; mount -t tmpfs tmpfs run
  pivot_root . was; umount -l /was; cd /
  exec env -i HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt /bin/bash /root/measure
' bare "$bare"
