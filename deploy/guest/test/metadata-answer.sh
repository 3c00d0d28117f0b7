#!/bin/bash
# One HTTP answer on stdin/stdout from the files under $1: the test's stand-in for a metadata service (QEMU's guestfwd
# runs it once a connection). Answers alternate between a plain and a chunked body, since a proxy may do either.
root=$1
read -r _ path _
while read -r line && [ "${line%$'\r'}" != "" ]; do :; done
file=$root/${path#/}
if [[ $path == *..* || ! -f $file ]]; then
    printf 'HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nNot Found'
elif [[ $path == *meta_data.json ]]; then
    size=$(stat -c %s "$file") half=$(($(stat -c %s "$file") / 2))
    printf 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n' $half
    head -c $half "$file"
    printf '\r\n%x\r\n' $((size - half))
    tail -c $((size - half)) "$file"
    printf '\r\n0\r\n\r\n'
else
    printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n' "$(stat -c %s "$file")"
    cat "$file"
fi
