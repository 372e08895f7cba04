#!/bin/sh
# How long it takes from `git clone` to a live tail, with every cache empty: scripts/first_minute.sh
#
# It clones this checkout as it is committed, so the network that counts is npm's registry. It needs
# git, Node and curl, as a new user does. Prints seconds; fails beyond FIRST_MINUTE_LIMIT (60).
set -eu

limit=${FIRST_MINUTE_LIMIT:-60}
port=${FIRST_MINUTE_PORT:-4499}
checkout=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
server=
tail=
cleanup() {
  if [ -n "$tail" ]; then kill "$tail" 2>/dev/null || true; fi
  # The server itself, which says its process: npx does not pass signals on to what it runs.
  process=$(curl -s "http://127.0.0.1:$port/v1/stream/__ds/node" |
    sed -n 's/.*"node":"[^"]*:\([0-9]*\)".*/\1/p')
  if [ -n "$process" ]; then kill -TERM "$process" 2>/dev/null || true; fi
  if [ -n "$server" ]; then kill -TERM "$server" 2>/dev/null || true; fi
  wait
  rm -rf "$folder"
}
trap cleanup EXIT

fail() {
  echo "first minute: $1" >&2
  cat "$folder/log" >&2 || true
  exit 1
}

now() { date +%s.%N | cut -c 1-14; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }
# Nothing of this user's: no package, no compiled cache, no configuration but the registry's address.
npm_config_registry=$(npm config get registry)
export npm_config_registry
export HOME="$folder/home" DENO_DIR="$folder/deno" XDG_CACHE_HOME="$folder/cache"
export npm_config_cache="$folder/npm" TMPDIR="$folder/tmp"
mkdir "$HOME" "$TMPDIR"

start=$(now)
git clone --quiet "$checkout" "$folder/penstock"
cd "$folder/penstock"
echo "cloned after $(since "$start") s"
npx -y deno@2.9.6 task start --port "$port" --log-format text >"$folder/log" 2>&1 &
server=$!
until grep -q 'Streams ' "$folder/log"; do
  kill -0 "$server" 2>/dev/null || fail "the server ended"
  sleep 0.1
done
echo "serving after $(since "$start") s"

# The three commands that it shows, as a user copies them.
sed -n 's/^    \(curl .*\)$/\1/p' "$folder/log" >"$folder/commands"
[ "$(wc -l <"$folder/commands")" -eq 3 ] || fail "no commands to try"
sh -c "$(sed -n 1p "$folder/commands")" 2>/dev/null
sh -c "exec $(sed -n 2p "$folder/commands")" >"$folder/tail" 2>/dev/null &
tail=$!
sh -c "$(sed -n 3p "$folder/commands")" 2>/dev/null
until grep -q 'hello, world' "$folder/tail"; do
  kill -0 "$tail" 2>/dev/null || fail "the tail ended"
  sleep 0.1
done
seconds=$(since "$start")
echo "live tail after $seconds s"
awk -v s="$seconds" -v l="$limit" 'BEGIN { exit !(s <= l) }' || fail "longer than $limit s"
