#!/bin/bash
# Keeps one part of a cloud running: supervise.sh PART_DIRECTORY LOG_FILE
# Starts PART_DIRECTORY/run, starts it again (with growing pauses) when it ends, and ends it when itself told to end.
# Files written: `supervisor` and `pid` ("PID START_TIME", the start time as in /proc, so that a reused PID is noticed),
# `restarts` (how often it ended by itself).
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

child='' stopping='' pause=1 restarts=0
trap 'stopping=1; [[ -n $child ]] && kill -TERM "$child" 2>/dev/null' TERM INT
trap '' HUP
record supervisor $$
echo 0 >"$directory/restarts"
while [[ -z $stopping ]]; do
  began=$SECONDS
  "$directory/run" &
  child=$!
  record pid "$child"
  # `wait` returns early when the trap runs.
  while kill -0 "$child" 2>/dev/null; do wait "$child"; status=$?; done
  rm -f "$directory/pid"
  [[ -n $stopping ]] && break
  restarts=$((restarts + 1)); echo "$restarts" >"$directory/restarts"
  # Whatever ran this long does not fail at its start.
  ((SECONDS - began > 15)) && pause=1
  note "${directory##*/} ended with status $status; starting it again in $pause s"
  child=''
  sleep "$pause" & wait $!
  pause=$((pause * 2 > 30 ? 30 : pause * 2))
done
rm -f "$directory/pid" "$directory/supervisor"
