#!/usr/bin/env bash
# `orgtrail cost` of the head against the base, offline: comment.md, the outputs, the summary.
# A budget that is exceeded (exit code 3) does not end the job here but in gate.sh: first the comment says why.
#   ORGTRAIL_SPEC, ORGTRAIL_WORKING_DIRECTORY, ORGTRAIL_COMPARE_TO, ORGTRAIL_VOLUMES, ORGTRAIL_PRICES,
#   ORGTRAIL_MAX_MONTHLY, ORGTRAIL_MAX_INCREASE, ORGTRAIL_MAX_INCREASE_PERCENT
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

spec=$(in_repository "${ORGTRAIL_SPEC:?}")
arguments=(--spec="$spec")

old=
if [ -n "${ORGTRAIL_COMPARE_TO:-}" ]; then
  old=$(in_repository "$ORGTRAIL_COMPARE_TO")
elif [ ! -e "$results/base/$spec" ]; then
  [ ! -d "$results/base" ] || say notice 'The base branch has no such spec: all of its cost is new.'
elif ! orgtrail check --spec="$results/base/$spec" --format json > /dev/null 2> "$results/base.err"; then
  # Otherwise nobody could mend it. The limit of the whole cost still holds.
  say warning 'The spec of the base branch does not pass `orgtrail check`: nothing to compare with, limits of the increase are not checked.'
else
  old=$results/base/$spec
fi
[ -z "$old" ] || arguments+=(--compare-to="$old")

# `--flag=value`: a value that begins with a dash stays a value.
[ -z "${ORGTRAIL_VOLUMES:-}" ] || arguments+=(--volumes="$(in_repository "$ORGTRAIL_VOLUMES")")
[ -z "${ORGTRAIL_PRICES:-}" ] || arguments+=(--prices="$(in_repository "$ORGTRAIL_PRICES")")
[ -z "${ORGTRAIL_MAX_MONTHLY:-}" ] || arguments+=(--max-monthly="$ORGTRAIL_MAX_MONTHLY")
[ -z "${ORGTRAIL_MAX_INCREASE:-}" ] || arguments+=(--max-increase="$ORGTRAIL_MAX_INCREASE")
[ -z "${ORGTRAIL_MAX_INCREASE_PERCENT:-}" ] || arguments+=(--max-increase-percent="$ORGTRAIL_MAX_INCREASE_PERCENT")

# Once for machines, once for people. Both must come to the same verdict.
estimate() {
  local code=0
  rm -f "$results/$1"
  orgtrail cost "${arguments[@]}" "${@:2}" --out="$results/$1" > /dev/null 2> "$results/cost.err" || code=$?
  if [ "$code" -ne 0 ] && [ "$code" -ne 3 ] || [ ! -s "$results/$1" ]; then
    untrusted "$results/cost.err"
    fail "the cost cannot be estimated (exit code $code): $(first_error "$results/cost.err")" "$((code ? code : 1))"
  fi
  verdict=$code
}
estimate cost.json --format json
first=$verdict
estimate comment.md --format markdown --comment-limit "$forge"
[ "$first" = "$verdict" ] || fail "two estimates of one spec ended with $first and $verdict"
untrusted "$results/cost.err"

forge_py values "$results/cost.json" "$verdict" > "$results/values"
while IFS=$'\t' read -r name value; do
  output "$name" "$value"
  printf '%s: %s\n' "$name" "$value"
done < "$results/values"
forge_py reason "$results/cost.json" > "$results/reason"
[ "$verdict" = 0 ] || [ -s "$results/reason" ] || first_error "$results/cost.err" > "$results/reason"

summarize < "$results/comment.md"
