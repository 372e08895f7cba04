#!/bin/sh
# Runs a command, shows its output, and appends each line to a stream that ends with the job.
# sh job.sh STREAM COMMAND [ARGUMENT…]
set -eu
stream=$1
shift
penstock create "$stream" --content-type text/plain --ttl 7d >&2
mark=$(mktemp)
trap 'rm -f "$mark"' EXIT
{
  status=0
  "$@" 2>&1 || status=$?
  echo "$status" >"$mark"
  echo "exit status $status"
} | tee /dev/stderr | penstock append "$stream" --producer auto --lines --close
exit "$(cat "$mark")"
