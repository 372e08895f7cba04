#!/bin/sh
# Does this binary serve? scripts/smoke.sh path/to/penstock
#
# In plain sh with curl, for it also runs where there is neither Deno nor bash (Alpine).
set -eu

binary=$1
folder=$(mktemp -d)
pid=
cleanup() {
  if [ -n "$pid" ]; then kill -KILL "$pid" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT

fail() {
  echo "smoke: $1" >&2
  cat "$folder/log" "$folder/errors" >&2 || true
  exit 1
}

"$binary" --version

"$binary" serve --host 127.0.0.1 --port 0 --log-format json --data-dir "$folder/data" \
  >"$folder/log" 2>"$folder/errors" &
pid=$!

url=
tries=0
while [ -z "$url" ]; do
  tries=$((tries + 1))
  [ "$tries" -le 120 ] || fail "not listening after 60 seconds"
  kill -0 "$pid" 2>/dev/null || fail "ended before it listened"
  sleep 0.5
  url=$(grep '"event":"listening"' "$folder/log" | sed 's/.*"url":"\([^"]*\)".*/\1/' || true)
done
stream=${url%/}/v1/stream/smoke

curl -fsS -X PUT -H 'content-type: text/plain' "$stream" || fail "PUT"
curl -fsS -X POST -H 'content-type: text/plain' --data-binary 'hello, ' "$stream" || fail "POST"
curl -fsS -X POST -H 'content-type: text/plain' --data-binary 'penstock' "$stream" || fail "POST"
body=$(curl -fsS "$stream?offset=-1") || fail "GET"
[ "$body" = "hello, penstock" ] || fail "read back: $body"

kill -TERM "$pid"
code=0
wait "$pid" || code=$?
pid=
# Windows has no SIGTERM: a process is ended there, and has no say in its exit code.
case $(uname -s) in
  MINGW* | MSYS*) ;;
  *) [ "$code" -eq 0 ] || fail "SIGTERM ended it with $code" ;;
esac
echo "smoke: $binary serves"
