#!/usr/bin/env bash
# Makes `orgtrail` available: the one on PATH, or built from source. From no package registry: a name there may be
# somebody else's.
#   ORGTRAIL_VERSION       the version it must be, e.g. 0.1.0; empty: any
#   ORGTRAIL_SOURCE        git URL to build the tag v$ORGTRAIL_VERSION (or the default branch) of
#   ORGTRAIL_INSTALL_ROOT  where a built one goes, to be cached between runs
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=${ORGTRAIL_VERSION:-}
version=${version#v}
root=${ORGTRAIL_INSTALL_ROOT:?}
PATH=$root/bin:$PATH

is_here() {
  local found
  found=$(orgtrail --version 2> /dev/null) || return 1
  [ -z "$version" ] || [ "$found" = "orgtrail $version" ]
}

if ! is_here; then
  install=(cargo install --locked --quiet --root "$root")
  if [ -n "${ORGTRAIL_SOURCE:-}" ]; then
    install+=(--git="$ORGTRAIL_SOURCE")
    [ -z "$version" ] || install+=(--tag="v$version")
    install+=(orgtrail)
  elif grep -qs '^name = "orgtrail"$' "$here/../../Cargo.toml"; then
    install+=(--path="$here/../..") # the action was used from orgtrail's own repository, which is here as a whole
  else
    fail "orgtrail ${version:-(any version)} is not on PATH, and there is no source to build it from: install it in an earlier step, or set \`source\`"
  fi
  command -v cargo > /dev/null || fail 'building orgtrail needs cargo, which is not on PATH'
  "${install[@]}"
  is_here || fail "what was built is not orgtrail $version but $(orgtrail --version 2>&1 || true)"
fi
if [ -n "${GITHUB_PATH:-}" ] && [ -x "$root/bin/orgtrail" ]; then
  printf '%s\n' "$root/bin" >> "$GITHUB_PATH"
fi
orgtrail --version
