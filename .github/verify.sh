#!/bin/sh
# The last step of action.yml: a SARIF file where one is wanted, and annotations for the pull
# request. Needs no more than a POSIX shell and Node.
set -eu

kseal=$(dirname "$0")/../bin/kseal.js
# Paths are parted at blanks, and are no patterns: kseal walks folders itself.
set -f
set -- -- ${PATHS:-.}
if [ -n "${CONFIG_FROM:-}" ]; then set -- --config-from "$CONFIG_FROM" "$@"; fi
set -- --fail-on "${FAIL_ON:-error}" "$@"

if [ -n "${SARIF:-}" ]; then
  # Findings (1) are the answer of the annotations below; a report that cannot be made ends it here.
  status=0
  node "$kseal" verify --format sarif "$@" >"$SARIF" || status=$?
  if [ "$status" -gt 1 ]; then exit "$status"; fi
fi
node "$kseal" verify --format github "$@"
