#!/bin/sh
# Runs the released kseal of the version in package.json, for action.yml and for pre-commit. Installs
# it once, beside this script, into a folder that gets its name when it is complete: an installation
# may be interrupted, and two may run at the same time. Without --prefix npm would obey an .npmrc in
# the current folder, which a pull request may have written, and install another program.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
version=$(node -p 'require(process.argv[1]).version' "$root/package.json")
folder=$root/.installed/$version
program=$folder/node_modules/kseal/bin/kseal.js
if [ ! -e "$program" ]; then
  part=$folder.$$
  trap 'rm -rf "$part"' EXIT
  npm install --prefix "$part" --no-save --ignore-scripts --no-audit --no-fund \
    "kseal@$version" >/dev/null
  [ -e "$program" ] || mv "$part" "$folder"
  rm -rf "$part"
  trap - EXIT
fi
exec node "$program" "$@"
