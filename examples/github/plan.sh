#!/usr/bin/env bash
# `orgtrail plan` against the live accounts, with the credentials in the environment. Its exit code decides in gate.sh:
# 2 (there are changes) is a result that later steps see, neither success nor failure by itself.
#   ORGTRAIL_SPEC, ORGTRAIL_WORKING_DIRECTORY
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

code=0
orgtrail plan --spec="$(in_repository "${ORGTRAIL_SPEC:?}")" --detailed-exitcode --out="$results/plan.json" \
  > "$results/plan.txt" 2> "$results/plan.err" || code=$?
case $code in
  0) plan=none ;;
  2) plan=changes ;;
  3) plan=refused ;;
  *) plan=error ;;
esac
untrusted "$results/plan.err"
untrusted "$results/plan.txt"
output plan "$plan"
output plan-exit-code "$code"
printf 'plan\t%s\nplan-exit-code\t%s\n' "$plan" "$code" >> "$results/values"

forge_py plan "$results/plan.txt" 900000 /dev/null | summarize
# The cost comes first: the plan gets the room that it leaves.
forge_py plan "$results/plan.txt" 65000 "$results/comment.md" > "$results/plan.md"
cat "$results/plan.md" >> "$results/comment.md"
