#!/usr/bin/env bash
# The steps of the job, in the order of the GitHub action. A budget that is exceeded ends it with 3, after the comment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

bash "$here/start.sh"
bash "$here/check.sh"
bash "$here/cost.sh"

# A comment that fails must not hide the budget's verdict, nor the verdict the comment's failure.
comment=0
bash "$here/comment.sh" || comment=$?
bash "$here/gate.sh"
exit "$comment"
