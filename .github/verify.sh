#!/usr/bin/env bash
# The step of action.yml: annotations for the pull request, and a SARIF file where one is wanted.
set -euo pipefail

kseal="$(dirname "${BASH_SOURCE[0]}")/../bin/kseal.js"
read -ra paths <<<"${PATHS:-.}"
options=(--fail-on "${FAIL_ON:-error}")
if [ -n "${CONFIG_FROM:-}" ]; then options+=(--config-from "$CONFIG_FROM"); fi

if [ -n "${SARIF:-}" ]; then
  # The answer is that of the annotations below; only a report that cannot be made ends it here.
  status=0
  node "$kseal" verify "${options[@]}" --format sarif "${paths[@]}" >"$SARIF" || status=$?
  if [ "$status" -gt 1 ]; then exit "$status"; fi
fi
node "$kseal" verify "${options[@]}" --format github "${paths[@]}"
