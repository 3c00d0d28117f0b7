#!/bin/bash
# build-guest.sh OUTDIR : build the tiny guest from Debian packages.
# Products: OUTDIR/tiny.qcow2, vmlinuz, initrd.gz, manifest.json. Needs no root, no loop device and no mount.
# A second run with nothing changed does nothing. Packages are kept in OUTDIR/packages.
set -euo pipefail
export LC_ALL=C TZ=UTC PATH=$PATH:/usr/sbin:/sbin
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fail() {
    echo "build-guest: $*" >&2
    exit 1
}
[ $# -eq 1 ] || fail "usage: build-guest.sh OUTDIR"
mkdir -p "$1" || fail "cannot make $1"
out=$(cd "$1" && pwd)
started=$(date +%s)

# Every time stamp in the products.
stamp=1767225600
export SOURCE_DATE_EPOCH=$stamp E2FSPROGS_FAKE_TIME=$stamp MTOOLS_SKIP_CHECK=1

# Sizes in MiB: where the boot partition begins, its size, the data partition's size.
boot_at=1 boot_size=22 data_size=8

# The guest's own packages besides the kernel; none of them gets installed here.
guest_packages="busybox dropbear-bin libc6 libtomcrypt1 libtommath1 libgmp10 libcrypt1 zlib1g"

missing=
for tool in gcc strip objdump cpio gzip mcopy mkfs.vfat syslinux mke2fs sfdisk qemu-img apt-get dpkg-deb sha512sum; do
    command -v $tool >/dev/null || missing="$missing $tool"
done
[ -f /usr/lib/syslinux/mbr/mbr.bin ] || missing="$missing mbr.bin"
[ -z "$missing" ] || fail "missing:$missing. Install: apt-get install $(grep -v '^#' "$here/packages.txt" | tr '\n' ' ')"

kernel_package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends:/ { print $2; exit }')
[ -n "$kernel_package" ] || fail "apt knows no linux-image-cloud-amd64: run apt-get update (Debian on amd64 is needed)"
release=${kernel_package#linux-image-}

# One line a package: 'uri' file size hash
wanted=$(apt-get download --print-uris $kernel_package $guest_packages 2>/dev/null) || fail "apt cannot find one of: $kernel_package $guest_packages"
recipe=$({ echo "$wanted" | awk '{ print $2, $4 }'; cd "$here"; find build-guest.sh modules.txt rootfs src -type f | sort | xargs sha512sum; } | sha512sum | cut -c1-64)

if [ -f "$out/manifest.json" ] && grep -q "\"recipe\": \"$recipe\"" "$out/manifest.json" &&
    (cd "$out" && sed -n 's/.*"file": "\([^"]*\)".*"sha512": "\([^"]*\)".*/\2  \1/p' manifest.json | sha512sum --check --status 2>/dev/null); then
    echo "build-guest: $out is up to date"
    exit 0
fi

work=$(mktemp -d "$out/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$out/packages" "$work/tree" "$work/root"
log=$work/log
# run COMMAND...: quiet, unless it fails
run() { "$@" >"$log" 2>&1 || { cat "$log" >&2; fail "failed: $*"; }; }

sandbox=()
[ "$(id -u)" -ne 0 ] || sandbox=(-o APT::Sandbox::User=root)
while read -r _ file size _; do
    package=${file%%_*}
    if [ "$(stat -c %s "$out/packages/$file" 2>/dev/null)" != "$size" ]; then
        rm -f "$out/packages/$package"_*.deb
        (cd "$out/packages" && run apt-get -q "${sandbox[@]}" download "$package")
    fi
    [ -f "$out/packages/$file" ] || fail "apt-get download did not bring $file"
    run dpkg-deb -x "$out/packages/$file" "$work/tree"
done <<<"$wanted"

tree=$work/tree root=$work/root
libraries=lib/x86_64-linux-gnu
[ -f "$tree/boot/vmlinuz-$release" ] || fail "$kernel_package has no vmlinuz-$release"
mkdir -p "$root"/{bin,dev,proc,sys,run,tmp,root,home/tiny,data,mnt,lib/modules,lib64,usr,$libraries}
cp -r "$here/rootfs/." "$root/"
chmod 755 "$root"/etc/{rc,dhcp,poweroff} "$root"/bin/{console,wget}

cp "$tree/bin/busybox" "$root/bin/"
cp "$tree/usr/sbin/dropbear" "$tree/usr/bin/dropbearkey" "$root/bin/"
run gcc -std=gnu11 -D_GNU_SOURCE -Os -Wall -Wextra -static -s -Wl,--build-id=none -o "$root/bin/virga-guest" "$here"/src/*.c
chmod 4755 "$root/bin/virga-guest"
ln -s virga-guest "$root/bin/ping"
ln -s virga-guest "$root/bin/ping6"
for applet in $("$root/bin/busybox" --list); do
    [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
done
ln -s bin/busybox "$root/init"
ln -s bin "$root/sbin"
ln -s ../bin "$root/usr/bin"
ln -s ../bin "$root/usr/sbin"

# The shared libraries of those programs, and of each other, until nothing is missing.
needed() { objdump -p "$@" | awk '$1 == "NEEDED" { print $2 }' | sort -u; }
cp -L "$tree/$libraries/ld-linux-x86-64.so.2" "$root/lib64/"
while :; do
    added=
    for name in $(needed "$root"/bin/{busybox,dropbear,dropbearkey} $(find "$root/$libraries" -name '*.so*')); do
        [ "$name" = ld-linux-x86-64.so.2 ] || [ -f "$root/$libraries/$name" ] || {
            found=$(find "$tree/lib" "$tree/usr/lib" -name "$name" | head -n 1)
            [ -n "$found" ] || fail "no package of the guest has $name"
            cp -L "$found" "$root/$libraries/$name"
            added=yes
        }
    done
    [ -n "$added" ] || break
done

cp "$here/modules.txt" "$root/lib/modules/groups"
while read -r _ module; do
    found=$(find "$tree/lib/modules/$release" -name "$module.ko" | head -n 1)
    if [ -n "$found" ]; then
        cp "$found" "$root/lib/modules/"
    else
        grep -q "/${module//_/[-_]}\.ko" "$tree/lib/modules/$release/modules.builtin" || fail "kernel $release has no module $module"
    fi
done <"$here/modules.txt"
strip --strip-debug "$root"/lib/modules/*.ko

find "$root" -exec touch -h -d "@$stamp" {} +
(cd "$root" && find . | sort | cpio -o -H newc --quiet --owner 0:0 --reproducible) | gzip -9n >"$work/initrd.gz"
cp "$tree/boot/vmlinuz-$release" "$work/vmlinuz"

cat >"$work/syslinux.cfg" <<EOF
DEFAULT tiny
PROMPT 0
TIMEOUT 0
LABEL tiny
 KERNEL vmlinuz
 INITRD initrd.gz
 APPEND console=tty0 console=ttyS0,115200 quiet panic=10 net.ifnames=0 mitigations=off nokaslr norandmaps audit=0 random.trust_cpu=on cryptomgr.notests
EOF
touch -d "@$stamp" "$work"/{vmlinuz,initrd.gz,syslinux.cfg}
truncate -s ${boot_size}M "$work/boot.img"
run mkfs.vfat -F 16 -n VIRGA --invariant "$work/boot.img"
run syslinux --install "$work/boot.img"
run mcopy -m -i "$work/boot.img" "$work/vmlinuz" "$work/initrd.gz" "$work/syslinux.cfg" ::
truncate -s ${data_size}M "$work/data.img"
run mke2fs -q -t ext4 -b 1024 -J size=1 -L virga-data -U 56697267-6100-4000-8000-000000000001 \
    -E hash_seed=56697267-6100-4000-8000-000000000002 "$work/data.img"

truncate -s $((boot_at + boot_size + data_size))M "$work/disk.img"
run sfdisk -q "$work/disk.img" <<EOF
label: dos
label-id: 0x56524741
$((boot_at * 2048)),$((boot_size * 2048)),6,*
$(((boot_at + boot_size) * 2048)),$((data_size * 2048)),83
EOF
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$work/disk.img" bs=440 count=1 conv=notrunc status=none
dd if="$work/boot.img" of="$work/disk.img" bs=1M seek=$boot_at conv=notrunc,sparse status=none
dd if="$work/data.img" of="$work/disk.img" bs=1M seek=$((boot_at + boot_size)) conv=notrunc,sparse status=none
run qemu-img convert -c -f raw -O qcow2 "$work/disk.img" "$work/tiny.qcow2"

describe() { # NAME FILE FORMAT
    printf '    "%s": { "file": "%s", "format": "%s", "size": %d, "sha512": "%s" }' "$1" "$2" "$3" "$(stat -c %s "$work/$2")" \
        "$(sha512sum "$work/$2" | cut -d' ' -f1)"
}
{
    printf '{\n  "recipe": "%s",\n  "kernel": "%s",\n  "command_line": "%s",\n  "virtual_size": %d,\n  "min_ram_mb": 96,\n  "files": {\n' \
        "$recipe" "$release" "$(sed -n 's/^ APPEND //p' "$work/syslinux.cfg")" "$(stat -c %s "$work/disk.img")"
    describe disk tiny.qcow2 qcow2
    printf ',\n'
    describe kernel vmlinuz aki
    printf ',\n'
    describe ramdisk initrd.gz ari
    printf '\n  },\n  "packages": {\n'
    echo "$wanted" | awk '{ split($2, part, "_"); gsub("%3a", ":", part[2]); printf "%s    \"%s\": \"%s\"", (NR > 1 ? ",\n" : ""), part[1], part[2] }'
    printf '\n  }\n}\n'
} >"$work/manifest.json"
# the manifest last: it vouches for the others
for file in vmlinuz initrd.gz tiny.qcow2 manifest.json; do mv "$work/$file" "$out/$file"; done
echo "build-guest: built $out/tiny.qcow2 ($(($(stat -c %s "$out/tiny.qcow2") / 1000)) kB), vmlinuz, initrd.gz ($(($(stat -c %s "$out/initrd.gz") / 1000)) kB) in $(($(date +%s) - started)) s"
