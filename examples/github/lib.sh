# Shared by the scripts beside it, which source it. Everything that a pull request can write (file names, names in a
# spec, what orgtrail prints of them) is data here: it arrives in environment variables and files, is never evaluated,
# and reaches the log only through `untrusted` or `say`.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
results=${ORGTRAIL_RESULTS:?is the folder that the scripts pass their results on in}
export NO_COLOR=1

if [ "${GITHUB_ACTIONS:-}" = true ]; then
  forge=github number=${ORGTRAIL_PULL_REQUEST:-}
else
  forge=gitlab number=${CI_MERGE_REQUEST_IID:-}
fi

# JSON needs a parser; python3 is on every hosted runner. -I: neither the checkout nor PYTHON* can supply modules.
forge_py() { python3 -I "$here/forge.py" "$@"; }

# KIND (error, warning, notice) MESSAGE. On GitHub an annotation, in which %, CR and LF must be written as escapes.
say() {
  local kind=$1 message=$2
  if [ "$forge" = github ]; then
    message=${message//'%'/'%25'}
    message=${message//$'\r'/'%0D'}
    message=${message//$'\n'/'%0A'}
    printf '::%s title=orgtrail::%s\n' "$kind" "$message"
  else
    printf '%s: %s\n' "$kind" "$message" | tr -d '\000-\010\013-\037\177' >&2
  fi
}

fail() {
  say error "$1"
  exit "${2:-1}"
}

random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# Prints a file to the log. A line that begins with `::` or `##[` would be a command to GitHub's runner, and some
# control characters are commands to GitLab's.
untrusted() {
  local token
  token=$(random)
  [ "$forge" = gitlab ] || printf '::stop-commands::%s\n' "$token"
  tr -d '\000-\010\013-\037\177' < "$1"
  [ "$forge" = gitlab ] || printf '\n::%s::\n' "$token"
}

# NAME VALUE, for later steps. The delimiter is random, so that no value can end early and set a second output.
output() {
  local name=$1 value=$2 delimiter
  if [ "$forge" = github ]; then
    delimiter=orgtrail_$(random)
    printf '%s<<%s\n%s\n%s\n' "$name" "$delimiter" "$value" "$delimiter" >> "${GITHUB_OUTPUT:?}"
  elif [[ $value =~ ^[A-Za-z0-9.-]*$ ]]; then # a dotenv report takes one line each, and no quoting
    name=${name//-/_}
    printf 'ORGTRAIL_%s=%s\n' "$(printf %s "$name" | tr '[:lower:]' '[:upper:]')" "$value" >> "$results/outputs.env"
  fi
}

# Appends standard input to what the run shows of itself. GitLab has no such page; there the file is an artifact.
summarize() { cat >> "${GITHUB_STEP_SUMMARY:-$results/summary.md}"; }

# A path within the working directory, as seen from the root of the repository: there annotations and SARIF find it.
in_repository() {
  local folder=${ORGTRAIL_WORKING_DIRECTORY:-.}
  folder=${folder%/}
  case $1 in
    /*) printf %s "$1" ;;
    *) if [ "$folder" = . ] || [ -z "$folder" ]; then printf %s "${1#./}"; else printf %s "${folder#./}/${1#./}"; fi ;;
  esac
}

# Whether the forge gives this run a token that may only read: forks, and Dependabot.
read_only() {
  if [ "$forge" = github ]; then
    [ -n "$number" ] || return 1
    [ "${ORGTRAIL_HEAD_REPOSITORY:-}" != "${GITHUB_REPOSITORY:-}" ] || [ "${GITHUB_ACTOR:-}" = 'dependabot[bot]' ]
  else
    [ "${CI_MERGE_REQUEST_SOURCE_PROJECT_ID:-}" != "${CI_MERGE_REQUEST_PROJECT_ID:-}" ]
  fi
}

# A value that cost.sh or plan.sh left behind; empty if it did not run.
value() {
  local name rest
  [ -f "$results/values" ] || return 0
  while IFS=$'\t' read -r name rest; do
    if [ "$name" = "$1" ]; then printf %s "$rest"; fi
  done < "$results/values"
}

# The last line of an error that says what happened, for a one-line report.
first_error() {
  local line
  while IFS= read -r line; do
    case $line in error*) printf %s "$line"; return ;; esac
  done < "$1"
  printf 'see the log'
}
