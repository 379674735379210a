#!/usr/bin/env bash
# `orgtrail check`: annotations at the lines of the spec, SARIF or JUnit for those who want it. Fails with its exit code.
#   ORGTRAIL_SPEC, ORGTRAIL_WORKING_DIRECTORY
#   ORGTRAIL_SARIF  `true`: write check.sarif and name it in the output `sarif`
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

spec=$(in_repository "${ORGTRAIL_SPEC:?}")
code=0
orgtrail check --spec="$spec" --format json > "$results/check.json" 2> "$results/check.err" || code=$?

# The same findings in other forms; they end with the same exit code, which is known by now.
also() { orgtrail check --spec="$spec" --format "$1" > "$2" 2> /dev/null || true; }

if [ ! -s "$results/check.json" ]; then
  untrusted "$results/check.err"
  fail "the spec cannot be checked: $(first_error "$results/check.err")" "$((code ? code : 1))"
fi
also text "$results/check.txt"
untrusted "$results/check.txt"
if [ "$forge" = gitlab ]; then
  also junit "$results/check.xml"
else
  forge_py annotations "$results/check.json"
  if [ "${ORGTRAIL_SARIF:-}" = true ] && ! read_only; then # uploading is writing
    also sarif "$results/check.sarif"
    output sarif "$results/check.sarif"
  fi
fi
if [ "$code" -ne 0 ]; then
  { printf '#### orgtrail: the spec does not pass its check\n\n'; forge_py fence "$results/check.txt"; } | summarize
  fail 'the spec does not pass `orgtrail check`, so its cost was not estimated; an earlier comment is out of date' "$code"
fi
