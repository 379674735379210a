#!/usr/bin/env bash
# One comment per spec and pull request: found again by the hidden marker in its first line, and updated.
#   ORGTRAIL_COMMENT    update (default), new (one per run) or off
#   ORGTRAIL_UNCHANGED  what becomes of the comment once the pull request changes nothing any more: update or delete
#   ORGTRAIL_TOKEN      GitHub: may write pull requests. GitLab: a project access token with the scope `api`
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mode=${ORGTRAIL_COMMENT:-update}
unchanged=${ORGTRAIL_UNCHANGED:-update}
token=${ORGTRAIL_TOKEN:-}
case $mode in
  update | new) ;;
  off) exit 0 ;;
  *) fail "comment must be update, new or off" ;;
esac
case $unchanged in update | delete) ;; *) fail "unchanged must be update or delete" ;; esac

no_comment() {
  say notice "No comment: $1"
  printf '\n> No comment was written: %s\n' "$1" | summarize
  exit 0
}

[ -n "$number" ] || no_comment 'this run belongs to no pull request.'
[[ $number =~ ^[0-9]+$ ]] || fail 'the number of the pull request is not a number'
if [ -z "$token" ]; then
  if read_only; then no_comment 'a run from a fork has no token for this project.'; fi
  [ "$forge" = github ] || no_comment 'ORGTRAIL_TOKEN is not set, or it is protected and this branch is not.'
  fail 'github-token is empty'
fi
IFS= read -r marker < "$results/comment.md" || fail 'the comment is empty'
marker=${marker%$'\r'}
[[ $marker == '<!-- orgtrail:'*' -->' ]] || fail 'the comment does not begin with the marker by which it would be found again'

if [ "$forge" = github ]; then
  server=${GITHUB_API_URL:-https://api.github.com}
  comments=$server/repos/${GITHUB_REPOSITORY:?}/issues/$number/comments
  one=$server/repos/$GITHUB_REPOSITORY/issues/comments
  query='per_page=100' update=PATCH auth="Authorization: Bearer $token"
else
  server=${CI_API_V4_URL:?}
  comments=$server/projects/${CI_MERGE_REQUEST_PROJECT_ID:?}/merge_requests/$number/notes
  one=$comments
  query='per_page=100&sort=asc&order_by=created_at' update=PUT auth="PRIVATE-TOKEN: $token"
fi

# METHOD URL [BODY]; sets `status`, succeeds on 2xx. The token is not in the arguments, where other processes see it.
api() {
  local arguments=(--silent --show-error --max-time 60 --request "$1" --header 'User-Agent: orgtrail' --header 'Expect:'
    --output "$results/response.json" --dump-header "$results/headers" --write-out '%{http_code}')
  [ "$1" = POST ] || arguments+=(--retry 3) # a post whose answer was lost may have been carried out
  [ "$#" -lt 3 ] || arguments+=(--header 'Content-Type: application/json' --data-binary "@$3")
  : > "$results/response.json"
  status=$(curl "${arguments[@]}" --header @<(printf '%s\n' "$auth") "$2" 2> "$results/curl.err") || status=000
  [[ $status == 2?? ]]
}

refused() {
  local message
  if [ "$status" = 000 ]; then
    message="no answer: $(head -c 300 "$results/curl.err")"
  else
    message="HTTP $status: $(forge_py message "$results/response.json")"
  fi
  if [ "$status" = 403 ] && read_only; then
    no_comment "the token of a pull request from a fork or from Dependabot may only read ($message)."
  fi
  case $forge$status in
    github403 | github404) message+=' — does the job have `permissions: pull-requests: write`?' ;;
    gitlab401 | gitlab403 | gitlab404) message+=' — is ORGTRAIL_TOKEN a valid project access token with the scope `api`?' ;;
  esac
  fail "$1: $message"
}

# Anybody can write a comment that begins with the marker. Ours are those by this token's user, or by a bot when the
# token is of an app, like that of GitHub Actions, and has no user.
whoami() {
  me=
  case $forge:$token in github:ghs_*) return ;; esac
  if api GET "$server/user"; then
    me=$(forge_py name "$results/response.json")
  elif [ "$forge" = gitlab ] || [ "$status" != 403 ]; then
    refused 'who the token belongs to is not known'
  fi
}

find_comment() {
  local page=1
  id=
  while [ "$page" -le 1000 ]; do
    api GET "$comments?$query&page=$page" || refused 'the comments cannot be listed'
    id=$(forge_py find "$results/response.json" "$marker" "$me")
    [ -z "$id" ] || return 0
    grep -qi '^link:.*rel="next"' "$results/headers" || return 0
    page=$((page + 1))
  done
}

create() {
  api POST "$comments" "$results/body.json" || refused 'the comment cannot be written'
  printf 'comment %s created\n' "$(forge_py id "$results/response.json")"
}

forge_py body "$results/comment.md" > "$results/body.json"
nothing=false
if [ "$(value changed)" = false ] && [ "$(value refused)" = false ]; then
  case $(value plan) in '' | none) nothing=true ;; esac
fi
if [ "$mode" = new ]; then
  $nothing || create
  exit 0
fi
whoami
find_comment
if [ -z "$id" ] && $nothing; then
  printf 'nothing changes, so there is nothing to comment on\n'
elif [ -z "$id" ]; then
  create
elif $nothing && [ "$unchanged" = delete ]; then
  api DELETE "$one/$id" || [ "$status" = 404 ] || refused 'the comment cannot be deleted'
  printf 'comment %s deleted: nothing changes any more\n' "$id"
elif api "$update" "$one/$id" "$results/body.json"; then
  printf 'comment %s updated\n' "$id"
elif [ "$status" = 404 ]; then # deleted since it was listed
  create
else
  refused 'the comment cannot be updated'
fi
