#!/usr/bin/env bash
# A second Debian machine on this one, for the trial of `virga host join`: a file system of its own from debootstrap, and network,
# mount, UTS, IPC and PID namespaces of its own. Needs root and debootstrap.
#   machine.sh make ROOT             debootstrap into ROOT, clone this repository's HEAD to /opt/virga there, install what a host needs;
#                                    where that was done before, only what has changed since
#   machine.sh start ROOT NAME       switch it on; prints the PID of its first process
#   machine.sh run ROOT COMMAND...   run a command in it
#   machine.sh stop ROOT             cut its power
set -euo pipefail
here=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
verb=$1 root=$(readlink -m "$2"); shift 2
pid_file=$root.pid
clean=(env -i HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt)

# Mounts of a machine with the file system "$1", and there. Runs in a mount namespace of its own.
enter='
  mount --make-rprivate /; mount --bind "$1" "$1"; cd "$1"; mkdir -p was
  mount -t proc proc proc; mount -t sysfs sysfs sys 2>/dev/null || mount --rbind /sys sys; mount --rbind /dev dev; mount -t tmpfs tmpfs run
  mkdir -p sys/fs/cgroup; mount --rbind /sys/fs/cgroup sys/fs/cgroup 2>/dev/null || true
  pivot_root . was; umount -l /was; cd /'

case $verb in
  make)
    if [[ ! -e $root/etc/debian_version ]]; then
      command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debootstrap >/dev/null
      debootstrap --variant=minbase --include=ca-certificates,git,iproute2 bookworm "$root" >"$root.debootstrap.log"
    fi
    if [[ -e $root/opt/virga/.git ]]; then
      git -C "$root/opt/virga" fetch -q "$here" HEAD
      git -C "$root/opt/virga" reset -q --hard FETCH_HEAD
    else
      git clone -q "$here" "$root/opt/virga"
    fi
    # How this machine reaches the package registries holds there, too.
    for file in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt /root/.npmrc /etc/apt/apt.conf.d/*; do
      [[ ! -f $file || $file == *docker* ]] || install -D -m 644 "$file" "$root$file"
    done
    chmod 600 "$root/root/.npmrc" 2>/dev/null || true
    # On this machine's network, which the machine itself will not have.
    unshare --mount --pid --fork /bin/bash -euc "$enter; exec \"\${@:2}\"" make "$root" "${clean[@]}" /opt/virga/virga host prepare --virt-type qemu
    ;;
  start)
    name=$1
    [[ ! -e $pid_file ]] || { echo "$root runs already" >&2; exit 2; }
    # The first process takes over what loses its parent, as init does.
    setsid unshare --net --mount --uts --ipc --pid --fork --kill-child /bin/bash -euc "$enter; hostname \"\$2\"; ip link set lo up; exec \"\${@:3}\"" machine "$root" "$name" \
      "${clean[@]}" /bin/bash -c 'while :; do sleep 3600 & wait $!; done' </dev/null >"$root.log" 2>&1 &
    outer=$!
    for _ in {1..100}; do
      inner=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null || true); inner=${inner%% *}
      if [[ -n $inner && $(readlink "/proc/$inner/root") == / && $(nsenter --target "$inner" --uts hostname) == "$name" ]]; then break; fi
      inner=; sleep 0.1
    done
    [[ -n $inner ]] || { cat "$root.log" >&2; kill "$outer"; exit 1; }
    echo "$inner" >"$pid_file"
    echo "$inner"
    ;;
  run) exec nsenter --target "$(cat "$pid_file")" --net --mount --uts --ipc --pid --root --wd "${clean[@]}" "$@" ;;
  stop)
    [[ -e $pid_file ]] || exit 0
    # With the first process of a PID namespace all others end.
    kill -9 "$(cat "$pid_file")" 2>/dev/null || true
    while kill -0 "$(cat "$pid_file")" 2>/dev/null; do sleep 0.1; done
    rm -f "$pid_file"
    ;;
  *) sed -n '2,8p' "$0" >&2; exit 2 ;;
esac
