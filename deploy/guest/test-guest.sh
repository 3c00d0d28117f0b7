#!/bin/bash
# test-guest.sh [OUTDIR] : boots what build-guest.sh made, in plain QEMU without KVM, and checks every marker.
# Without OUTDIR the guest is built first. Uses TCP ports 21800-21809 and UDP 21810-21811 of 127.0.0.1. Needs no root.
# VIRGA_TEST_WAIT: seconds to wait for a marker at most (default 180).
set -uo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d /tmp/virga-guest-test.XXXXXX)
limit=${VIRGA_TEST_WAIT:-180}
port=21800 checks=0 pids=()

cleanup() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

fail() {
    echo "not ok - $*"
    echo "--- console of the last guest:"
    tail -n 60 "${console:-/dev/null}" | cat -v
    exit 1
}
ok() {
    checks=$((checks + 1))
    echo "ok $checks - $*"
}

# seen PATTERN : an extended regular expression that a whole console line has to match
seen() { tr -d '\r' <"$console" | grep -Exq -- "$1"; }
expect() { seen "$1" && ok "$1" || fail "not on the console: $1"; }
refuse() { seen "$1" && fail "on the console: $1" || ok "not on the console: $1"; }
await() {
    local until=$((SECONDS + limit))
    until seen "$1"; do
        kill -0 "$qemu" 2>/dev/null || { seen "$1" && break; fail "QEMU ended before: $1"; }
        [ $SECONDS -lt $until ] || fail "not within $limit s: $1"
        sleep 0.2
    done
    ok "$1"
}
same() { [ "$2" = "$3" ] && ok "$1: $2" || fail "$1: expected '$2', found '$3'"; }
value() { tr -d '\r' <"$console" | sed -n "s/^$1//p" | head -n 1; }

# start NAME QEMU_ARGUMENT... : console in $console, monitor socket in $monitor
start() {
    local name=$1
    shift
    console=$work/$name.console monitor=$work/$name.monitor
    : >"$console"
    echo "# $name"
    begun=$(date +%s.%N)
    [[ " $* " == *" -serial "* ]] || set -- -serial "file:$console" "$@"
    qemu-system-x86_64 -nodefaults -display none -vga std -accel tcg -cpu qemu64 \
        -monitor "unix:$monitor,server=on,wait=off" "$@" &
    qemu=$!
    pids+=("$qemu")
}
tell() { echo "$1" | socat - "UNIX-CONNECT:$monitor" >/dev/null; }
report_times() {
    local ticks
    ticks=$(awk '{ print $14 + $15 }' "/proc/$qemu/stat")
    awk -v a="$begun" -v b="$(date +%s.%N)" -v t="$ticks" -v u="$(value 'VIRGA-READY .* up=')" -v r="$(awk '/VmRSS/ { print $2 }' "/proc/$qemu/status")" \
        'BEGIN { printf "# ready after %.1f s wall, %.1f CPU s, guest clock %s s, QEMU RSS %d MiB\n", b - a, t / 100, u, r / 1024 }'
}
power_down() {
    tell system_powerdown
    await 'VIRGA-POWEROFF up=[0-9.]+'
    local until=$((SECONDS + limit))
    while kill -0 "$qemu" 2>/dev/null; do
        [ $SECONDS -lt $until ] || fail "QEMU still runs after the power button"
        sleep 0.2
    done
    wait "$qemu"
    same "QEMU's exit status" 0 $?
}

for tool in qemu-system-x86_64 qemu-img genisoimage mke2fs mkfs.vfat mcopy mkswap ssh ssh-keygen socat python3; do
    command -v $tool >/dev/null || fail "missing: $tool (packages.txt)"
done
guest=${1:-$work/guest}
[ -n "${1:-}" ] || "$here/build-guest.sh" "$guest" || fail "build"
command_line=$(sed -n 's/.*"command_line": "\(.*\)",/\1/p' "$guest/manifest.json")

ssh-keygen -q -t ed25519 -N '' -C 'first key' -f "$work/key"
ssh-keygen -q -t rsa -b 2048 -N '' -C 'second' -f "$work/key2"
fingerprint=$(ssh-keygen -lf "$work/key.pub" | cut -d' ' -f2)
fingerprint2=$(ssh-keygen -lf "$work/key2.pub" | cut -d' ' -f2)
public=$(cat "$work/key.pub") public2=$(cat "$work/key2.pub")
uuid=83679162-1378-4288-a2d4-70e13ec132aa
# The net of the stand-in metadata service: guestfwd only answers for addresses inside the user network.
user_net="user,id=n0,restrict=on,net=169.254.169.0/24,dhcpstart=169.254.169.15,host=169.254.169.2"
run_ssh() { ssh -q -i "$work/key" -p $port -o BatchMode=yes -o ConnectTimeout=20 -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="$work/known_hosts" "$@"; }

# ---- 1: boot from disk; virtio config drive, metadata service, ephemeral and swap disk, two networks
mkdir -p "$work/drive/openstack/latest" "$work/meta/openstack/latest" "$work/meta/latest/meta-data"
cat >"$work/drive/openstack/latest/meta_data.json" <<EOF
{"uuid": "$uuid", "hostname": "s1.example.org", "name": "s1", "public_keys": {"one": "$public\n"},
 "keys": [{"name": "one", "type": "ssh", "data": "$public\n"}], "meta": {}, "launch_index": 0, "devices": []}
EOF
printf 'hello from the drive\n\033[2Jsecond \302\233line without an end' >"$work/drive/openstack/latest/user_data"
genisoimage -quiet -R -J -V config-2 -o "$work/drive.iso" "$work/drive"
cat >"$work/meta/openstack/latest/meta_data.json" <<EOF
{"uuid": "$uuid", "hostname": "s1.example.org", "name": "s1", "public_keys": {"one": "$public", "two": "$public2"},
 "meta": {"dirty": "24,40", "probe": "169.254.169.2,169.254.169.2:21999,10.77.0.200,[::1]:7,127.0.0.1:80,999.1.1.1",
          "spoof": "169.254.169.77,169.254.169.2"}}
EOF
printf '#!/bin/bash\necho "script on $(hostname) as $(id -u)"\nexit 3\n' >"$work/meta/openstack/latest/user_data"
printf 'i-0000002a' >"$work/meta/latest/meta-data/instance-id"
printf '169.254.169.15' >"$work/meta/latest/meta-data/local-ipv4"
printf 's1.example.org' >"$work/meta/latest/meta-data/hostname"
qemu-img create -q -f qcow2 -F qcow2 -b "$(realpath "$guest/tiny.qcow2")" "$work/root.qcow2" 1G
truncate -s 64M "$work/ephemeral.img" "$work/fat.img" "$work/swap.img" "$work/volume.img"
mke2fs -q -t ext4 -L ephemeral0 "$work/ephemeral.img"
mkfs.vfat -n EPHEMERAL1 "$work/fat.img" >/dev/null
chmod 600 "$work/swap.img"
mkswap -q "$work/swap.img"
python3 "$here/test/link.py" 21810 21811 &
pids+=($!)

boot_disk() {
    start "$1" -M q35 -m 128 \
        -drive "if=virtio,file=$work/root.qcow2" -drive "if=virtio,format=raw,readonly=on,file=$work/drive.iso" \
        -drive "if=virtio,format=raw,file=$work/ephemeral.img" -drive "if=virtio,format=raw,file=$work/fat.img" \
        -drive "if=virtio,format=raw,file=$work/swap.img" \
        -netdev "$user_net,hostfwd=tcp:127.0.0.1:$port-:22,hostfwd=tcp:127.0.0.1:$((port + 1))-:7,hostfwd=tcp:127.0.0.1:$((port + 2))-:80,guestfwd=tcp:169.254.169.254:80-cmd:$here/test/metadata-answer.sh $work/meta" \
        -device virtio-net-pci,netdev=n0,romfile=,mac=52:54:00:00:00:10 \
        -netdev dgram,id=n1,local.type=inet,local.host=127.0.0.1,local.port=21811,remote.type=inet,remote.host=127.0.0.1,remote.port=21810 \
        -device virtio-net-pci,netdev=n1,romfile=,mac=52:54:00:00:00:11 \
        -device pcie-root-port,id=slot1,chassis=1,bus=pcie.0 -device pcie-root-port,id=slot2,chassis=2,bus=pcie.0
    await 'VIRGA-READY s1\.example\.org up=[0-9.]+'
    report_times
}
boot_disk disk
expect 'VIRGA-KERNEL 6\.[0-9.]+-[0-9]+-cloud-amd64 up=[0-9.]+'
expect 'VIRGA-IP eth0 169\.254\.169\.15/24 mac=52:54:00:00:00:10 mtu=1500'
expect 'VIRGA-IP eth1 10\.77\.0\.5/24 mac=52:54:00:00:00:11 mtu=1442'
await 'VIRGA-IP eth1 fd77::5054:ff:fe00:11/64 mac=52:54:00:00:00:11 mtu=1442'
expect "VIRGA-METADATA ok uuid=$uuid hostname=s1\.example\.org keys=2"
expect "VIRGA-KEY metadata ${fingerprint//+/\\+} first key"
expect "VIRGA-KEY metadata ${fingerprint2//+/\\+} second"
expect 'VIRGA-EC2 ok instance-id=i-0000002a local-ipv4=169\.254\.169\.15 hostname=s1\.example\.org'
expect "VIRGA-CONFIGDRIVE ok uuid=$uuid hostname=s1\.example\.org keys=1"
expect "VIRGA-KEY configdrive ${fingerprint//+/\\+} first key"
expect 'VIRGA-USERDATA configdrive begin bytes=[0-9]+'
expect 'VIRGA-USERDATA configdrive \| hello from the drive'
expect 'VIRGA-USERDATA configdrive \| \?\[2Jsecond \?\?line without an end'
expect 'VIRGA-USERDATA configdrive end'
await 'VIRGA-USERDATA metadata > script on s1\.example\.org as 0'
await 'VIRGA-USERDATA metadata > exit 3'
expect 'VIRGA-DISK vda size=1073741824 fs=part label= use=root'
expect 'VIRGA-DISK vdb size=[0-9]+ fs=iso9660 label=config-2 use=config'
expect 'VIRGA-DISK vdc size=67108864 fs=ext4 label=ephemeral0 use=/mnt'
expect 'VIRGA-DISK vdd size=67108864 fs=vfat label=EPHEMERAL1 use=/mnt-vdd'
expect 'VIRGA-DISK vde size=67108864 fs=swap label= use=swap'
expect 'VIRGA-BOOTS 1'
expect 'VIRGA-BOOTID [0-9a-f-]{36}'
await 'VIRGA-PROBE 169\.254\.169\.2 ok'
await 'VIRGA-PROBE 169\.254\.169\.2:21999 fail'
await 'VIRGA-PROBE 10\.77\.0\.200 fail'
await 'VIRGA-PROBE \[::1\]:7 ok'
await 'VIRGA-PROBE 127\.0\.0\.1:80 ok'
await 'VIRGA-PROBE 999\.1\.1\.1 refused'
await 'VIRGA-SPOOF 169\.254\.169\.77 169\.254\.169\.2 ok'
await 'VIRGA-DIRTY mb=24 want=40 rate=[0-9.]+'
first_boot=$(value 'VIRGA-BOOTID ')
same "ssh as tiny with the key" "tiny 1000" "$(run_ssh tiny@127.0.0.1 'echo $(id -un) $(id -u)')"
same "ssh as root with the key" "s1.example.org" "$(run_ssh root@127.0.0.1 hostname)"
same "ping as tiny" 0 "$(run_ssh tiny@127.0.0.1 'ping -c 1 -W 5 169.254.169.2 >/dev/null; echo $?')"
same "fetch by address as tiny" i-0000002a "$(run_ssh tiny@127.0.0.1 'wget -q -T 10 -O - http://169.254.169.254/latest/meta-data/instance-id')"
same "nc" "GET-less" "$(run_ssh tiny@127.0.0.1 'echo GET-less | nc -w 5 127.0.0.1 7')"
same "a terminal over ssh" yes "$(run_ssh -tt root@127.0.0.1 'test -t 0 && echo yes' | tr -d '\r')"
same "routes of option 121 on eth1" "default via 10.77.0.9 172.20.0.0/16 via 10.77.0.8 192.0.2.9 " \
    "$(run_ssh root@127.0.0.1 'ip -4 route show dev eth1' | sed -n '/^10.77/d; s/^\(default via [^ ]*\|172[^ ]* via [^ ]*\|192.0.2.9\) .*/\1/p' | sort -k 2 | awk '
        /^default/ { d = $0 } /^172/ { r = $0 } /^192/ { l = $0 } END { printf "%s %s %s ", d, r, l }')"
same "swap in use" 1 "$(run_ssh root@127.0.0.1 'grep -c /dev/vde /proc/swaps')"
same "ephemeral disk takes data" kept "$(run_ssh root@127.0.0.1 'echo kept >/mnt/file; sync; cat /mnt/file')"
run_ssh -o PreferredAuthentications=password,keyboard-interactive -o PubkeyAuthentication=no tiny@127.0.0.1 true && fail "ssh without a key" || ok "no ssh without a key"
same "echo server" "over and back" "$(echo over and back | socat -t 5 - TCP:127.0.0.1:$((port + 1)))"
page=$(printf 'GET / HTTP/1.0\r\n\r\n' | socat -t 5 - TCP:127.0.0.1:$((port + 2)) | tr -d '\r')
for line in "hostname s1.example.org" "bootid $first_boot" "address eth1 10.77.0.5"; do
    same "HTTP server" "$line" "$(grep -Fx "$line" <<<"$page")"
done
tell "drive_add 0 if=none,id=vol,format=raw,file=$work/volume.img"
tell "device_add virtio-blk-pci,drive=vol,id=volume,bus=slot1"
await 'VIRGA-DISK vdf size=67108864 fs=none label= use=none'
tell "device_del volume"
await 'VIRGA-DISK-GONE vdf'
tell "netdev_add user,id=n2,restrict=on,net=10.88.0.0/24"
tell "device_add virtio-net-pci,netdev=n2,id=nic2,bus=slot2,mac=52:54:00:00:00:12,romfile="
await 'VIRGA-IP eth2 10\.88\.0\.15/24 mac=52:54:00:00:00:12 mtu=1500'
host_key=$(ssh-keygen -lf "$work/known_hosts" | cut -d' ' -f2)
power_down

boot_disk disk-again
expect 'VIRGA-BOOTS 2'
same "host key kept" "$host_key" "$(rm "$work/known_hosts"; run_ssh root@127.0.0.1 true; ssh-keygen -lf "$work/known_hosts" | cut -d' ' -f2)"
same "ephemeral disk keeps data" kept "$(run_ssh root@127.0.0.1 'cat /mnt/file')"
[ "$(value 'VIRGA-BOOTID ')" != "$first_boot" ] && ok "another boot id" || fail "the same boot id"
refuse 'VIRGA-USERDATA metadata > .*'
power_down

# ---- 2: the kernel and ramdisk form on the smallest guest, an IDE CD as config drive, a metadata service that comes late
# The serial port is a socket here, so that the shell behind it can be used too.
start ramdisk -M pc -m 96 -chardev "socket,id=serial,path=$work/serial,server=on,wait=off,logfile=$work/ramdisk.console" -serial chardev:serial -kernel "$guest/vmlinuz" -initrd "$guest/initrd.gz" \
    -append "$command_line virga.metadata_wait=1 dirty=8,0" \
    -drive "if=ide,media=cdrom,format=raw,readonly=on,file=$work/drive.iso" \
    -netdev "$user_net,hostfwd=tcp:127.0.0.1:$((port + 3))-:22,guestfwd=tcp:169.254.169.254:80-cmd:$here/test/metadata-answer.sh $work/late" -device virtio-net-pci,netdev=n0,romfile=
await 'VIRGA-READY s1\.example\.org up=[0-9.]+'
report_times
expect 'VIRGA-IP eth0 169\.254\.169\.15/24 mac=[0-9a-f:]{17} mtu=1500'
expect 'VIRGA-METADATA none'
expect "VIRGA-CONFIGDRIVE ok uuid=$uuid hostname=s1\.example\.org keys=1"
expect 'VIRGA-DISK sr0 size=[0-9]+ fs=iso9660 label=config-2 use=config'
expect 'VIRGA-BOOTS none'
refuse 'VIRGA-METADATA ok .*'
mkdir "$work/late"
cp -r "$work/meta/." "$work/late/"
await "VIRGA-METADATA ok uuid=$uuid hostname=s1\\.example\\.org keys=2"
await 'VIRGA-PROBE 169\.254\.169\.2 ok'
await 'VIRGA-DIRTY mb=8 want=0 rate=[0-9.]+'
await 'Virga lab guest s1\.example\.org: press Enter for a root shell .*'
printf '\necho "$(id -un)-$((40 + 2))"\n' | socat -t 3 - "UNIX-CONNECT:$work/serial" >/dev/null
await 'root-42'
tell "sendkey ret"
for ((i = 0; i < limit * 5; i++)); do
    shells=$(port=$((port + 3)) && run_ssh -o UserKnownHostsFile=/dev/null root@127.0.0.1 'ps -o tty,args | grep -c "[s]h -l"')
    [ "$shells" = 2 ] && break
    sleep 0.2
done
same "root shells, on serial and on screen" 2 "$shells"
same "ssh with the config drive's key" s1.example.org "$(port=$((port + 3)) && run_ssh -o UserKnownHostsFile=/dev/null tiny@127.0.0.1 hostname)"
power_down

# ---- 3: hostile metadata on a vfat config drive; it must not reach a shell, a terminal or a key file
mkdir -p "$work/hostile/openstack/latest"
cat >"$work/hostile/openstack/latest/meta_data.json" <<'EOF'
{"uuid": "$(reboot -f)", "hostname": "a`poweroff -f`;b\n\u001b[31mc$(id)\"'|é", "name": {"deep": [1, [2, {"x": null}]]},
 "public_keys": {"x": "ssh-ed25519 AAAA\" $(poweroff -f)\nssh-rsa AAAA injected", "y": "command=\"id\" ssh-rsa AAAA no", "z": 5},
 "meta": {"dirty": "$(poweroff -f),-1", "probe": "$(poweroff -f),;reboot,1.2.3.4.5,[::1", "spoof": "-x,;poweroff -f"}}
EOF
head -c 200000 /dev/urandom | tr '\n' 'x' >"$work/hostile/openstack/latest/user_data"
truncate -s 4M "$work/hostile.img"
mkfs.vfat -n config-2 "$work/hostile.img" >/dev/null 2>&1
mcopy -s -i "$work/hostile.img" "$work/hostile/openstack" ::
start hostile -M q35 -m 96 -kernel "$guest/vmlinuz" -initrd "$guest/initrd.gz" -append "$command_line" \
    -device virtio-scsi-pci -drive "if=none,id=cd,media=cdrom,format=raw,readonly=on,file=$work/drive.iso" -device scsi-cd,drive=cd \
    -drive "if=virtio,format=raw,file=$work/hostile.img"
await 'VIRGA-READY [A-Za-z0-9.-]+ up=[0-9.]+'
report_times
expect 'VIRGA-DISK vda size=4194304 fs=vfat label=config-2 use=config'
expect 'VIRGA-DISK sr0 size=[0-9]+ fs=iso9660 label=config-2 use=.*'
expect 'VIRGA-CONFIGDRIVE ok uuid=eb-f hostname=apoweroff-fb31mcid keys=[01]'
expect 'VIRGA-USERDATA configdrive end'
LC_ALL=C grep -q $'[\001-\010\013\014\016-\037\177]' "$console" && fail "control characters on the console" || ok "no control characters on the console"
refuse 'VIRGA-POWEROFF.*'
sleep 3
kill -0 "$qemu" 2>/dev/null && ok "the guest runs on" || fail "the guest is gone"
power_down

# ---- 4: a host key does not follow a copied disk into another instance
sed -i "s/$uuid/99999999-1378-4288-a2d4-70e13ec132aa/" "$work/meta/openstack/latest/meta_data.json" "$work/drive/openstack/latest/meta_data.json"
genisoimage -quiet -R -J -V config-2 -o "$work/drive.iso" "$work/drive"
boot_disk copied
expect 'VIRGA-BOOTS 3'
rm -f "$work/known_hosts"
run_ssh root@127.0.0.1 true || fail "ssh to the copied disk"
[ "$(ssh-keygen -lf "$work/known_hosts" | cut -d' ' -f2)" != "$host_key" ] && ok "another host key" || fail "the same host key"
await 'VIRGA-USERDATA metadata > exit 3'
power_down
# ---- 5: the KVM probe, with stand-ins for what this machine may not have
if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
    mkdir -p "$work/works" "$work/dies" "$work/hangs"
    real=$(command -v qemu-system-x86_64)
    printf '#!/bin/bash\necho $$ >%q\nexec %q "${@/#kvm/tcg}"\n' "$work/works/pid" "$real" >"$work/works/qemu-system-x86_64"
    printf '#!/bin/bash\necho $$ >%q\necho KVM internal error. Suberror: 1 >&2\nexec sleep 600\n' "$work/dies/pid" >"$work/dies/qemu-system-x86_64"
    printf '#!/bin/bash\necho $$ >%q\nexec sleep 600\n' "$work/hangs/pid" >"$work/hangs/qemu-system-x86_64"
    chmod +x "$work"/{works,dies,hangs}/qemu-system-x86_64
    probe() { PATH=$work/$1:$PATH VIRGA_PROBE_SECONDS=$2 "$here/probe-kvm.sh" "$guest" 2>/dev/null; }
    same "virt type where a guest boots" kvm "$(probe works "$limit")"
    same "virt type where KVM gives up" qemu "$(probe dies "$limit")"
    same "virt type where nothing happens" qemu "$(probe hangs 1)"
    for kind in works dies hangs; do
        kill -0 "$(cat "$work/$kind/pid")" 2>/dev/null && fail "probe-kvm.sh left its QEMU running" || ok "nothing left running"
    done
else
    same "virt type without /dev/kvm" qemu "$("$here/probe-kvm.sh" "$guest" 2>/dev/null)"
fi
echo "# $checks checks passed in $SECONDS s"
