# shellcheck shell=bash
# Checks that `up` makes before it changes anything. Sourced by ../virga; needs bash and coreutils only, because on a
# bare machine there is nothing else yet.
#   preflight_member STATE
#   preflight ROOT STATE NAME PORT_OFFSET MANAGEMENT_ADDRESS EXTERNAL_ADDRESS
# Prints one sentence for each obstacle and returns 2 if there was any.

preflight_obstacles=0
obstacle() { printf 'virga: %s\n' "$*" >&2; preflight_obstacles=$((preflight_obstacles + 1)); }

# Little-endian hexadecimal, as /proc/net writes addresses, of a dotted quad.
little_endian() { local IFS=.; set -- $1; printf '%02X%02X%02X%02X' "$4" "$3" "$2" "$1"; }

# The process that holds a socket inode: "PID NAME", or nothing when it cannot be seen.
socket_holder() {
  local entry pid
  entry=$(find /proc/[0-9]*/fd -lname "socket:\[$1\]" -print -quit 2>/dev/null) || true
  [[ $entry =~ ^/proc/([0-9]+)/ ]] || return 0
  pid=${BASH_REMATCH[1]}
  printf '%s %s' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)"
}

# True when a process descends from one of this cloud's own supervisors.
is_ours() {
  local state=$1 pid=$2 own=' ' file line
  for file in "$state"/parts/*/supervisor; do
    [[ -r $file ]] && read -r line _ <"$file" && own+="$line "
  done
  while [[ -n $pid && $pid -gt 1 ]]; do
    [[ $own == *" $pid "* ]] && return 0
    pid=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || return 1
  done
  return 1
}

check_ports() {
  local root=$1 state=$2 offset=$3 management=$4 name base where port hex line holder address inode
  local -A listening=()
  # Columns: 2 local address:port, 4 state (0A = listening), 10 inode.
  while read -r _ address _ st _ _ _ _ _ inode _; do
    [[ $st == 0A ]] && listening[${address##*:}]+=" ${address%:*}/$inode"
  done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  while read -r name base where _; do
    [[ -z $name || $name == \#* || $where == host ]] && continue
    port=$((base + offset)); printf -v hex '%04X' "$port"
    if ((port >= 32768)); then obstacle "port $port ($name) would be above 32767; choose a smaller --port-offset."; continue; fi
    for line in ${listening[$hex]:-}; do
      address=${line%/*}; inode=${line#*/}
      case $where:$address in
        *:00000000 | *:00000000000000000000000000000000) ;;
        loopback:*7F | both:*7F) ;;
        *:"$(little_endian "$management")") [[ $where != loopback ]] || continue ;;
        *) continue ;;
      esac
      holder=$(socket_holder "$inode")
      is_ours "$state" "${holder%% *}" && continue
      if [[ -n $holder ]]; then obstacle "port $port, which $name needs, is in use by ${holder#* } (pid ${holder%% *})."
      else obstacle "port $port, which $name needs, is in use by another process."; fi
      break
    done
  done <"$root/deploy/ports.txt"
}

# Routes of other interfaces that overlap the /24 of an address which this cloud wants; the routes in the form of /proc/net/route.
check_subnet() {
  local bridge=$1 address=$2 what=$3 routes=${4:-/proc/net/route} iface dest mask wanted d m
  local IFS=.; set -- $address; wanted=$((($1 << 24) | ($2 << 16) | ($3 << 8))); unset IFS
  while read -r iface dest _ _ _ _ _ mask _; do
    [[ $iface == Iface || $iface == "$bridge" ]] && continue
    d=$((16#${dest:6:2}${dest:4:2}${dest:2:2}${dest:0:2})); m=$((16#${mask:6:2}${mask:4:2}${mask:2:2}${mask:0:2}))
    ((m == 0)) && continue
    if (((wanted & m) == (d & m) || (d & 0xffffff00) == wanted)); then
      obstacle "the $what network (around $address) overlaps a route of interface $iface; choose another with --$what-cidr."
      return
    fi
  done <"$routes"
}

check_names() {
  local state=$1 name=$2 item
  for item in mgmt ext; do
    [[ -e /sys/class/net/$name$item ]] || continue
    [[ $(cat "/sys/class/net/$name$item/ifalias" 2>/dev/null) == "virga:$state" ]] ||
      obstacle "an interface $name$item exists and is not from this cloud; remove it or choose another --name."
  done
  for item in /run/netns/"$name"-*; do
    [[ -e $item ]] || continue
    grep -qsxF "${item##*/}" "$state/netns.list" ||
      obstacle "a network namespace ${item##*/} exists and is not from this cloud; remove it or choose another --name."
  done
}

# MiB free where a path is or will be.
free_mib() { local path=$1; while [[ ! -d $path ]]; do path=$(dirname "$path"); done; df -Pm "$path" | awk 'NR == 2 { print $4 }'; }

# What is asked of any machine: STATE MEMORY DISK WITH_PACKAGES PACKAGE..., in MB; WITH_PACKAGES is the disk when one of the packages is missing.
check_machine() {
  local state=$1 memory=$2 disk=$3 more=$4 id version free; shift 4
  read -r id version < <(. /etc/os-release 2>/dev/null; printf '%s %s\n' "${ID:-unknown}" "${VERSION_ID:-}")
  [[ $id == debian ]] || obstacle "needs Debian 12; this is $id $version."
  [[ $id == debian && $version != 12 ]] && printf 'virga: made for Debian 12; this is Debian %s, where it was not tried.\n' "$version" >&2
  [[ $(uname -m) == x86_64 ]] || obstacle "needs an x86_64 machine; this is $(uname -m)."
  [[ $state == /* && $state != /run/* && ${#state} -le 48 && $state =~ ^[A-Za-z0-9/._-]+$ ]] ||
    obstacle "the state directory must be an absolute path of at most 48 plain characters (socket names are limited), not under /run: $state"
  unshare --net --mount --uts true 2>/dev/null || obstacle "this root may not make namespaces; in a container it needs CAP_SYS_ADMIN and CAP_NET_ADMIN."
  [[ -c /dev/net/tun ]] || obstacle "/dev/net/tun is missing; load the tun module (modprobe tun) or hand the device to this container."
  dpkg-query -W -f='${Status}\n' "$@" 2>/dev/null | grep -c 'install ok installed' | grep -qx $# || disk=$more
  free=$(free_mib "$state")
  ((free >= disk)) || obstacle "needs $disk MB of free disk at $state; $free MB are free."
  # What runs already has taken its memory.
  if ! compgen -G "$state/parts/*/pid" >/dev/null; then
    free=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
    ((free >= memory)) || obstacle "needs $memory MB of available memory; $free MB are available."
  fi
}

is_root() { ((EUID == 0)) || { obstacle "must run as root: it makes network namespaces and starts hypervisor daemons. Try: sudo ./virga $1"; return 2; }; }
nothing_changed() { ((preflight_obstacles == 0)) || { printf 'virga: nothing was changed.\n' >&2; return 2; }; }

# A machine that joins, or has joined: STATE
preflight_member() {
  preflight_obstacles=0
  is_root 'host join' || return 2
  check_machine "$1" 900 2000 4500 qemu-system-x86 ovn-host libvirt-daemon
  nothing_changed
}

preflight() {
  local root=$1 state=$2 name=$3 offset=$4 management=$5 external=$6
  preflight_obstacles=0
  is_root up || return 2
  [[ $name =~ ^[a-z][a-z0-9]{0,5}$ ]] || obstacle "--name must be 1 to 6 lower-case letters and digits, beginning with a letter."
  check_machine "$state" 1800 3000 6000 mariadb-server rabbitmq-server qemu-system-x86 ovn-host
  check_ports "$root" "$state" "$offset" "$management"
  check_names "$state" "$name"
  check_subnet "${name}mgmt" "$management" management
  check_subnet "${name}ext" "$external" external
  nothing_changed
}
