//! What Athena says when it does not answer, as cause and fix.
//!
//! Calls fail with a code, queries with a text that begins with the name of the error.
//! <https://docs.aws.amazon.com/athena/latest/ug/troubleshooting-athena.html>

use super::query::Ended;
use crate::aws::AwsError;
use crate::error::Error;

/// Parts of the reason of a query that failed, and what to do about it; the first that fits.
const CAUSES: [(&[&str], &str); 12] = [
    (
        &["bytes scanned limit", "bytesscannedcutoff"],
        "the query read more than the workgroup allows: read fewer days at once (--query-days), or raise the workgroup's \
         limit for data scanned by a query",
    ),
    (
        &[
            "exhausted resources",
            "exceeded_memory_limit",
            "query timeout",
            "exceeded_time_limit",
        ],
        "read fewer days at once: --query-days",
    ),
    (
        &[
            "exceeded_partition_limit",
            "1000000 partitions",
            "1,000,000 partitions",
        ],
        "read fewer days at once (--query-days) or fewer accounts",
    ),
    (
        &["injected projected partition", "constraint_violation"],
        "the table wants its accounts named: name them",
    ),
    (
        &[
            "output bucket",
            "writing output",
            "result location",
            "output location",
        ],
        "allow s3:GetBucketLocation, s3:ListBucket and s3:PutObject on the workgroup's result location to these credentials, \
         and check that the bucket exists in this Region",
    ),
    (
        &[
            "access denied",
            "accessdenied",
            "permission denied",
            "not authorized",
            "403",
        ],
        "allow s3:GetObject and s3:ListBucket on the bucket of the logs, kms:Decrypt on its key, and glue:GetTable to these \
         credentials; the bucket and the key must let them in too",
    ),
    (
        &["column_not_found", "cannot be resolved", "type_mismatch"],
        "the table's columns have changed since they were looked at: run it again",
    ),
    (
        &["table_not_found", "schema_not_found", "does not exist"],
        "the table is gone, or is another Region's: check DATABASE.TABLE and the Region",
    ),
    (
        &["function_not_found", "not registered"],
        "the workgroup's engine is too old: select Athena engine version 3",
    ),
    (
        &[
            "compiler_error",
            "compiler failed",
            "query_text_too_large",
            "exceeds the maximum",
        ],
        "the selectors are more than Athena takes at once: ask for fewer trails",
    ),
    (
        &[
            "hive_bad_data",
            "hive_cursor_error",
            "not a valid json",
            "hive_unsupported_format",
        ],
        "a file in the table's location is no CloudTrail log, or the table has another format: its rows must be read with the \
         CloudTrail input format",
    ),
    (
        &[
            "hive_",
            "generic_internal_error",
            "internal error",
            "slow down",
            "slowdown",
        ],
        "run it again: what has been counted is kept; if it stays, read fewer days at once (--query-days)",
    ),
];

/// What to do about a query that failed for this reason.
pub fn fix_of(reason: &str) -> &'static str {
    let lower = reason.to_lowercase();
    let fits = |(words, _): &&(&[&str], &str)| words.iter().any(|word| lower.contains(word));
    let cause = CAUSES.iter().find(fits);
    cause.map_or(
        "look at the query in the Athena console; run it again, and only what is missing is asked for",
        |(_, fix)| fix,
    )
}

/// A query that ended without an answer.
pub fn failed(part: &str, id: &str, ended: &Ended) -> Error {
    let Ended::Failed { reason, .. } = ended else {
        return Error::failed(format!("the query for {part} ({id}) was stopped"))
            .fix("run it again: only what is missing is asked for");
    };
    let fix = fix_of(reason);
    Error::failed(format!("the query for {part} ({id}) failed: {reason}")).fix(fix)
}

/// A call that failed. What everybody's calls fail for is told as everywhere.
pub fn of_call(error: AwsError, what: &str) -> Error {
    let message = error.message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let fix = match error.code.as_str() {
        "AccessDenied" => format!(
            "allow {} to these credentials, in the workgroup and, for the table, glue:GetDatabase and glue:GetTable",
            error.call
        ),
        "TooManyRequests" | "Throttling" => {
            "others use Athena too: run it again later, or with fewer --queries; what has been counted is kept".to_owned()
        }
        "Metadata" if says(&["access denied", "not authorized"]) => {
            "allow glue:GetDatabase and glue:GetTable on the table to these credentials".to_owned()
        }
        "Metadata" | "ResourceNotFound" => format!(
            "{what} was not found: check its name, the account and the Region; orgtrail creates none, but prints the \
             definition of a table"
        ),
        "InvalidRequest" if says(&["workgroup"]) => {
            format!("{what} was not found or cannot be used: check its name, the account and the Region")
        }
        "InvalidRequest" => fix_of(&error.message).to_owned(),
        _ => return Error::Aws(vec![error]),
    };
    Error::failed(error).fix(fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_apart() {
        let cases = [
            (
                "Query cancelled! : Bytes scanned limit was exceeded",
                "--query-days",
            ),
            (
                "Query exhausted resources at this scale factor",
                "--query-days",
            ),
            (
                "CONSTRAINT_VIOLATION: For the injected projected partition column account, the WHERE clause must contain only \
                 static equality conditions",
                "accounts named",
            ),
            (
                "HIVE_EXCEEDED_PARTITION_LIMIT: Query over table 'x' can potentially read more than 1000000 partitions",
                "fewer accounts",
            ),
            (
                "Unable to verify/create output bucket acme-results",
                "result location",
            ),
            (
                "Access denied when writing output to url: s3://acme-results/x.csv",
                "result location",
            ),
            (
                "Permission denied on S3 path: s3://acme-logs/AWSLogs/o-x/1/CloudTrail/eu-west-1/2026/10/01",
                "kms:Decrypt",
            ),
            (
                "COLUMN_NOT_FOUND: line 3:9: Column 'readonly' cannot be resolved",
                "run it again",
            ),
            (
                "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.audit.x' does not exist",
                "gone",
            ),
            (
                "FUNCTION_NOT_FOUND: line 1:8: Function any_match not registered",
                "engine version 3",
            ),
            (
                "HIVE_CURSOR_ERROR: Row is not a valid JSON Object",
                "no CloudTrail log",
            ),
            (
                "HIVE_UNKNOWN_ERROR: com.amazonaws.services.s3",
                "run it again",
            ),
            ("COMPILER_ERROR: Compiler failed", "fewer trails"),
            ("something new", "console"),
        ];
        for (reason, expected) in cases {
            let fix = fix_of(reason);
            assert!(fix.contains(expected), "{reason}: {fix}");
        }
    }
}
