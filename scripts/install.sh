#!/bin/sh
# Installs Penstock from a release: sh install.sh [--version 1.2.3] [--prefix /usr/local]
#
# Downloads the binary for this system, checks it against the release's SHA256SUMS, and puts it in
# place at once, so that a running Penstock is not disturbed. PENSTOCK_RELEASES names the address
# below which releases are: ADDRESS/download/v1.2.3/FILE and ADDRESS/latest/download/FILE.
set -eu

version=latest
prefix=/usr/local

fail() {
  echo "install.sh: $1" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --version | --prefix)
      [ $# -ge 2 ] || fail "$1 needs a value"
      if [ "$1" = --version ]; then version=${2#v}; else prefix=$2; fi
      shift 2
      ;;
    --help | -h)
      sed -n '2,6s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *) fail "unknown argument $1: there are --version and --prefix" ;;
  esac
done
case $version in
  latest) ;;
  *[!0-9A-Za-z.+-]* | "") fail "$version is not a version, such as 1.2.3" ;;
esac

releases=${PENSTOCK_RELEASES:-}
[ -n "$releases" ] || fail "set PENSTOCK_RELEASES to the address of the releases"

case $(uname -s) in
  Linux) system=linux ;;
  Darwin) system=macos ;;
  *) fail "no binary for $(uname -s): take the one for Windows by hand" ;;
esac
case $(uname -m) in
  x86_64 | amd64) machine=x64 ;;
  aarch64 | arm64) machine=arm64 ;;
  *) fail "no binary for $(uname -m)" ;;
esac
name=penstock-$system-$machine
if [ "$system" = linux ] && ldd --version 2>&1 | grep -qi musl; then name=$name-musl; fi

if [ "$version" = latest ]; then
  address=$releases/latest/download
else
  address=$releases/download/v$version
fi

folder=$(mktemp -d)
staged=
trap 'rm -rf "$folder"; [ -z "$staged" ] || rm -f "$staged"' EXIT
trap 'exit 143' INT TERM

download() {
  if command -v curl >/dev/null; then
    curl -fsSL --retry 3 -o "$folder/$1" "$address/$1"
  elif command -v wget >/dev/null; then
    wget -q -O "$folder/$1" "$address/$1"
  else
    fail "neither curl nor wget is here"
  fi || fail "cannot download $address/$1"
}

sum_of() {
  if command -v sha256sum >/dev/null; then
    sha256sum "$1"
  else
    shasum -a 256 "$1"
  fi | cut -d ' ' -f 1
}

download SHA256SUMS
download "$name"
expected=$(awk -v name="$name" '{ sub(/^\*/, "", $2); if ($2 == name) print $1 }' "$folder/SHA256SUMS")
[ -n "$expected" ] || fail "SHA256SUMS does not name $name"
[ "$(sum_of "$folder/$name")" = "$expected" ] ||
  fail "$name is not what SHA256SUMS says: nothing is installed"

mkdir -p "$prefix/bin"
# On the same file system, so that the last step replaces the file at once.
staged=$prefix/bin/.penstock.$$
cp "$folder/$name" "$staged"
chmod 755 "$staged"
installed=$("$staged" --version) || fail "$name does not run here: nothing is installed"
mv -f "$staged" "$prefix/bin/penstock"
staged=
echo "$prefix/bin/penstock: $installed"
