#!/bin/bash
# Bounds the log files of a cloud: keep-logs.sh LOG_DIRECTORY... ; each file is cut at LIMIT bytes, one older copy is kept.
# Writers hold their files open for appending, so a file is copied and emptied, not renamed.
limit=${LIMIT:-16777216}
while :; do
  for directory in "$@"; do
    for file in "$directory"/*.log; do
      size=$(stat -c %s "$file" 2>/dev/null) || continue
      ((size > limit)) && cp -f "$file" "$file.1" && : >"$file"
    done
  done
  sleep 60 & wait $!
done
