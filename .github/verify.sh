#!/bin/sh
# The last step of action.yml: writes a SARIF file if one is requested, and annotates the pull
# request. Needs only a POSIX shell, Node and npm.
set -eu

kseal() { sh "$(dirname "$0")/kseal.sh" "$@"; }
# Split PATHS at blanks, and do not expand patterns: kseal walks folders itself.
set -f
set -- -- ${PATHS:-.}
if [ -n "${CONFIG_FROM:-}" ]; then set -- --config-from "$CONFIG_FROM" "$@"; fi
set -- --fail-on "${FAIL_ON:-error}" "$@"

if [ -n "${SARIF:-}" ]; then
  # The annotations below report findings (exit code 1); any other failure ends the step here.
  status=0
  kseal verify --format sarif "$@" >"$SARIF" || status=$?
  if [ "$status" -gt 1 ]; then exit "$status"; fi
fi
kseal verify --format github "$@"
