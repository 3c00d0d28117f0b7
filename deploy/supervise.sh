#!/bin/bash
# Keeps one part of a cloud running: supervise.sh PART_DIRECTORY LOG_FILE
# Starts PART_DIRECTORY/run, starts it again (with growing pauses) when it ends, and ends it when itself told to end.
# Files written: `supervisor`, `pid` and `next` ("PID START_TIME", the start time as in /proc, so that a reused PID is
# noticed), `restarts` (how often it ended by itself).
# SIGUSR1 starts the part once more beside the one that runs (`next`). SIGUSR2 puts that one in its place and tells the
# older to end; without a newer one it ends the part and starts it again at once.
# Listening sockets that it is given as file descriptors 3, 4, ... go to everything that it starts: as long as it lives,
# connections wait for the next process instead of being refused.
directory=$1 log=$2
exec </dev/null >>"$log" 2>&1
cd / || exit 1

# PID and its start time; the command name in /proc/PID/stat may hold blanks, so count behind its closing bracket.
identity_of() {
  local line fields
  read -r line <"/proc/$1/stat" 2>/dev/null || return 1
  read -ra fields <<<"${line##*) }"
  printf '%s %s\n' "$1" "${fields[19]}"
}
record() { identity_of "$2" >"$directory/$1.new" && mv -f "$directory/$1.new" "$directory/$1"; }
note() { printf '%(%Y-%m-%dT%H:%M:%S%z)T supervisor: %s\n' -1 "$*"; }
lives() { [[ -n $1 ]] && kill -0 "$1" 2>/dev/null; }

child='' next='' leaving=() stopping='' again='' pause=1 restarts=0 began=0
start_beside() {
  [[ -z $stopping ]] && lives "$child" && ! lives "$next" || return
  "$directory/run" &
  next=$!
  record next "$next"
}
# The newer one becomes the part.
promote() {
  child=$next next='' began=$SECONDS
  record pid "$child"
  rm -f "$directory/next"
}
relieve() {
  local older=$child
  if lives "$next"; then
    leaving+=("$older")
    promote
  else again=1; fi
  [[ -z $older ]] || kill -TERM "$older" 2>/dev/null
}
end() {
  stopping=1
  local each
  for each in $child $next "${leaving[@]}"; do kill -TERM "$each" 2>/dev/null; done
}
trap end TERM INT
trap start_beside USR1
trap relieve USR2
trap '' HUP
record supervisor $$
rm -f "$directory/next"
echo 0 >"$directory/restarts"
while [[ -z $stopping ]]; do
  began=$SECONDS again=''
  "$directory/run" &
  child=$!
  record pid "$child"
  # `wait` returns early when a trap runs, and the trap may have put another process in the place of this one.
  while lives "$child"; do
    wait "$child"; status=$?
    lives "$child" || ! lives "$next" || [[ -n $stopping ]] || promote
  done
  rm -f "$directory/pid"
  [[ -n $stopping ]] && break
  child=''
  [[ -n $again ]] && continue
  restarts=$((restarts + 1)); echo "$restarts" >"$directory/restarts"
  # Whatever ran this long does not fail at its start.
  ((SECONDS - began > 15)) && pause=1
  note "${directory##*/} ended with status $status; starting it again in $pause s"
  # It may outlive this shell, and must not keep the sockets then.
  sleep "$pause" 3>&- 4>&- & wait $!
  pause=$((pause * 2 > 30 ? 30 : pause * 2))
done
while [[ -n $(jobs -rp) ]]; do wait; done
rm -f "$directory/pid" "$directory/next" "$directory/supervisor"
