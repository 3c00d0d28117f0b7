#!/bin/bash
# probe-kvm.sh GUESTDIR : prints the virt type this machine can really run, "kvm" or "qemu", and exits 0.
# A /dev/kvm that accepts a guest proves nothing: some kernels then interpret it, slower than emulation, until it dies.
# So the tiny guest's kernel is booted, and KVM counts when its userspace says VIRGA-KERNEL within VIRGA_PROBE_SECONDS (8).
# The reason goes to stderr. Nothing is left running.
set -u
export LC_ALL=C
guest=${1:-}
if [ ! -f "$guest/vmlinuz" ] || [ ! -f "$guest/initrd.gz" ]; then
    echo "usage: probe-kvm.sh GUESTDIR (made by build-guest.sh)" >&2
    exit 2
fi
answer() {
    echo "probe-kvm: $2" >&2
    echo "$1"
    exit 0
}
command -v qemu-system-x86_64 >/dev/null || { echo "probe-kvm: no qemu-system-x86_64" >&2; exit 2; }
[ -c /dev/kvm ] || answer qemu "there is no /dev/kvm"
[ -r /dev/kvm ] && [ -w /dev/kvm ] || answer qemu "/dev/kvm may not be opened"

work=$(mktemp -d) || exit 2
qemu=
cleanup() {
    if [ -n "$qemu" ]; then
        kill -9 "$qemu" 2>/dev/null
        wait "$qemu" 2>/dev/null
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 2' INT TERM HUP
: >"$work/console"
qemu-system-x86_64 -nodefaults -no-user-config -display none -M pc -accel kvm -cpu qemu64 -m 128 -no-reboot \
    -serial "file:$work/console" -kernel "$guest/vmlinuz" -initrd "$guest/initrd.gz" \
    -append "console=ttyS0,115200 quiet panic=-1 net.ifnames=0 virga.metadata_wait=0" </dev/null >"$work/log" 2>&1 &
qemu=$!
for ((tenths = 0; tenths < ${VIRGA_PROBE_SECONDS:-8} * 10; tenths++)); do
    grep -q VIRGA-KERNEL "$work/console" && answer kvm "a guest booted with KVM in $((tenths / 10)).$((tenths % 10)) s"
    kill -0 "$qemu" 2>/dev/null || answer qemu "QEMU with KVM ended: $(grep -v ': warning:' "$work/log" | head -n 1)"
    grep -q 'KVM internal error' "$work/log" && answer qemu "KVM cannot run the guest: $(grep -A 1 'KVM internal error' "$work/log" | tr '\n' ' ')"
    sleep 0.1
done
answer qemu "KVM accepted a guest that did not boot within ${VIRGA_PROBE_SECONDS:-8} s"
