#!/usr/bin/env bash
# Ends the job as orgtrail's exit codes say, after the comment: 3 for a budget or a plan that is refused, the plan's own
# code for its errors, 2 for its changes where the user wants that.
#   ORGTRAIL_FAIL_ON_PLAN_CHANGES  `true`: a plan with changes fails
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

exit_code=0
plan=$(value plan-exit-code)
case ${plan:-0} in
  0) ;;
  2)
    if [ "${ORGTRAIL_FAIL_ON_PLAN_CHANGES:-}" = true ]; then
      say error 'the plan has changes'
      exit_code=2
    fi
    ;;
  3)
    say error 'the plan is refused: see the log and the summary'
    exit_code=3
    ;;
  *)
    say error "the plan failed with exit code $plan: $(first_error "$results/plan.err")"
    exit_code=$plan
    ;;
esac
if [ "$(value refused)" = true ]; then
  say error "over budget: $(< "$results/reason")"
  exit_code=3
fi
exit "$exit_code"
