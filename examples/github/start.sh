#!/usr/bin/env bash
# Puts the base of the pull request beside the checked-out head, so that both are whole: a spec may name other files.
#   ORGTRAIL_COMPARE_TO  the user's own choice of what to compare with; then no base is needed
#   ORGTRAIL_BASE_SHA    (GitHub) tip of the base branch
#   ORGTRAIL_PLAN_ROLE   (GitHub) whether a plan is wanted
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rm -rf "$results"
mkdir -p "$results"

# What the head was merged with, if the checkout is the forge's trial merge, otherwise where the branch left the base.
# A developer's own merge commit has the same form, hence the comparison with GITHUB_SHA.
base_commit() {
  local head commit
  if [ "$forge" = gitlab ]; then
    case ${CI_MERGE_REQUEST_EVENT_TYPE:-} in
      merged_result | merge_train) printf %s "${CI_MERGE_REQUEST_TARGET_BRANCH_SHA:-}" ;;
      *) printf %s "${CI_MERGE_REQUEST_DIFF_BASE_SHA:-}" ;;
    esac
    return
  fi
  head=$(git rev-parse HEAD)
  commit=$(git cat-file commit HEAD)
  if [ "$head" = "${GITHUB_SHA:-}" ] && [[ ${GITHUB_REF:-} == refs/pull/*/merge ]] &&
    [[ $commit =~ ^tree\ [0-9a-f]+$'\n'parent\ ([0-9a-f]+) ]]; then
    printf %s "${BASH_REMATCH[1]}"
  else
    printf %s "${ORGTRAIL_BASE_SHA:-}"
  fi
}

plan=false
if [ -n "${ORGTRAIL_PLAN_ROLE:-}" ]; then
  if read_only; then
    say notice 'No plan: a pull request from a fork or from Dependabot gets no AWS credentials.'
  else
    plan=true
  fi
fi
[ "$forge" = gitlab ] || output plan "$plan"

[ -z "${ORGTRAIL_COMPARE_TO:-}" ] || exit 0
base=$(base_commit)
if [ -z "$base" ]; then
  say notice 'This run belongs to no pull request: there is nothing to compare with.'
  exit 0
fi
[[ $base =~ ^[0-9a-f]{40,64}$ ]] || fail 'the base commit is not a commit id'
if ! git cat-file -e "$base^{commit}" 2> /dev/null; then
  git fetch --quiet --no-tags --depth=1 origin "$base" ||
    fail "the base commit $base cannot be fetched: check out with \`fetch-depth: 2\` (GitHub) or \`GIT_DEPTH: 0\` (GitLab)"
fi
git worktree prune
git worktree add --quiet --detach "$results/base" "$base"
