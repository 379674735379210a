//! Bucket policies, and what S3 refuses as one: S3 User Guide, pages "example-bucket-policies" and
//! "access-control-block-public-access".

use super::dispatch::Call;
use super::error::{Answer, AwsError, refuse};
use super::identity::principal_exists;
use super::policy::{Fault, Policy, Principals, Statement, glob};
use super::protocol::Response;
use super::s3::{S3Request, bucket_mut, empty};
use super::s3_config::blocks_public_policy;

const MAX_BYTES: usize = 20 * 1024;

/// Keys whose fixed values make a policy for everyone less than public.
const NARROWING_KEYS: [&str; 12] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
];

/// Words in the names of actions that act on objects; the other actions act on buckets.
const OBJECT_ACTIONS: [&str; 5] = [
    "Object",
    "Multipart",
    "BypassGovernanceRetention",
    "ObjectVersion",
    "RestoreObject",
];

pub fn get_bucket_policy(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let policy = bucket_mut(call, request)?.policy.clone().ok_or_else(|| {
        AwsError::new("NoSuchBucketPolicy", "The bucket policy does not exist").status(404)
    })?;
    Ok(Response {
        status: 200,
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: policy.into_bytes(),
    })
}

pub fn delete_bucket_policy(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    bucket_mut(call, request)?.policy = None;
    Ok(empty(204))
}

pub fn put_bucket_policy(call: &mut Call<'_>, request: &S3Request) -> Answer<Response> {
    let text = String::from_utf8_lossy(&request.body).into_owned();
    if text.len() > MAX_BYTES {
        return refuse(
            "PolicyTooLarge",
            "Policy exceeds the maximum allowed document size.",
        );
    }
    if !text.starts_with('{') {
        return Err(malformed(
            "Policies must be valid JSON and the first byte must be '{'",
        ));
    }
    let policy = Policy::parse(&text).map_err(|fault| malformed(&wording(&fault)))?;
    for statement in &policy.statements {
        check_statement(call, &request.bucket, statement)?;
    }
    let bucket = bucket_mut(call, request)?;
    if blocks_public_policy(bucket) && policy.statements.iter().any(is_public) {
        let resource = format!("\"arn:aws:s3:::{}\"", request.bucket);
        let why = "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.";
        return Err(call.caller.denied("s3:PutBucketPolicy", &resource, why));
    }
    bucket.policy = Some(text);
    Ok(empty(204))
}

fn malformed(message: &str) -> AwsError {
    AwsError::new("MalformedPolicy", message)
}

fn wording(fault: &Fault) -> String {
    match fault {
        Fault::NotJson => "Policies must be valid JSON and the first byte must be '{'".to_owned(),
        Fault::Version => "The policy must contain a valid version string".to_owned(),
        Fault::Missing(field) => format!("Missing required field {field}"),
        Fault::Unknown(field) => format!("Unknown field {field}"),
        Fault::Effect(effect) => format!("Invalid effect: {effect}"),
        Fault::Principal => "Invalid principal in policy".to_owned(),
        Fault::Action => "Policy has invalid action".to_owned(),
        Fault::Resource => "Policy has invalid resource".to_owned(),
        Fault::Condition(name) => format!("Invalid Condition type : {name}"),
        Fault::Syntax => "Invalid policy syntax.".to_owned(),
    }
}

fn check_statement(call: &Call<'_>, bucket: &str, statement: &Statement) -> Answer<()> {
    check_principals(call, &statement.principals)?;
    let resources = statement
        .resources
        .as_ref()
        .ok_or_else(|| malformed("Missing required field Resource"))?;
    let arn = format!("arn:aws:s3:::{bucket}");
    let of_bucket = |r: &String| *r == arn || r.starts_with(&format!("{arn}/")) || covers(r, &arn);
    if !resources.values.iter().all(of_bucket) {
        return Err(malformed("Policy has invalid resource"));
    }
    let actions = &statement.actions.values;
    if !actions
        .iter()
        .all(|a| a == "*" || a.to_lowercase().starts_with("s3:"))
    {
        return Err(malformed("Policy has invalid action"));
    }
    if statement.actions.inverted || resources.inverted {
        return Ok(());
    }
    // Every action must find a resource of its own kind, bucket or object.
    let fits = |action: &String| {
        let objects =
            OBJECT_ACTIONS.iter().any(|word| action.contains(word)) && !is_bucket_action(action);
        action.contains('*')
            || resources.values.iter().any(|r| {
                let is_object = r
                    .strip_prefix(&arn)
                    .is_some_and(|rest| rest.starts_with('/'));
                covers(r, &arn) && r.ends_with('*') || is_object == objects
            })
    };
    if !actions.iter().all(fits) {
        return Err(malformed(
            "Action does not apply to any resource(s) in statement",
        ));
    }
    Ok(())
}

/// Bucket actions whose names speak of objects all the same.
fn is_bucket_action(action: &str) -> bool {
    action.contains("Bucket") || action.contains("ListMultipart") && !action.contains("Parts")
}

/// A wildcard that reaches the bucket itself, such as `arn:aws:s3:::logs*`.
fn covers(pattern: &str, arn: &str) -> bool {
    pattern.starts_with("arn:aws:s3:::") && pattern.contains('*') && glob(pattern, arn)
}

fn check_principals(call: &Call<'_>, principals: &Principals) -> Answer<()> {
    let named = match principals {
        Principals::Absent => return Err(malformed("Missing required field Principal")),
        Principals::Any => return Ok(()),
        Principals::Only(named) | Principals::AllBut(named) => named,
    };
    let bad = |(kind, name): &(String, String)| match kind.as_str() {
        "AWS" => !principal_exists(call.state, name),
        "Service" => !name.ends_with(".amazonaws.com"),
        _ => false,
    };
    if named.iter().any(bad) {
        return Err(malformed("Invalid principal in policy"));
    }
    Ok(())
}

fn is_public(statement: &Statement) -> bool {
    let narrowed = statement.conditions.iter().any(|condition| {
        let fixed = |v: &String| !v.contains('*') || v.starts_with("arn:");
        let binding = !condition.if_exists && !condition.for_all && !condition.operator.negated();
        NARROWING_KEYS.contains(&condition.key.as_str())
            && binding
            && condition.values.iter().all(fixed)
    });
    let open = matches!(
        statement.principals,
        Principals::Any | Principals::AllBut(_)
    );
    statement.allow && open && !narrowed
}

#[cfg(test)]
mod tests {
    use crate::sandbox::Sandbox;
    use crate::sandbox::testing::*;

    #[test]
    fn what_s3_refuses_as_a_policy() {
        let sandbox = Sandbox::in_memory();
        let client = Client::new(&sandbox, ARCHIVE);
        client.s3("PUT", "/logs-b", "").unwrap();
        let put = |principal: &str, action: &str, resource: &str| {
            let policy = format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"{action}","Resource":"{resource}"}}]}}"#
            );
            client.s3("PUT", "/logs-b?policy", &policy).map(|_| ())
        };
        let reader = r#"{"AWS":"arn:aws:iam::222233334444:role/siem"}"#;
        let malformed = Err("MalformedPolicy".to_owned());
        assert_eq!(put(reader, "s3:GetObject", "arn:aws:s3:::logs-b/*"), Ok(()));
        assert_eq!(
            put(reader, "s3:GetObject", "arn:aws:s3:::logs-b"),
            malformed
        );
        assert_eq!(
            put(reader, "s3:ListBucket", "arn:aws:s3:::logs-b/*"),
            malformed
        );
        assert_eq!(
            put(reader, "s3:GetObject", "arn:aws:s3:::other/*"),
            malformed
        );
        assert_eq!(
            put(
                r#"{"AWS":"arn:aws:iam::222233334444:role/none"}"#,
                "s3:*",
                "arn:aws:s3:::logs-b/*"
            ),
            malformed
        );
        assert_eq!(
            put(r#""*""#, "s3:GetObject", "arn:aws:s3:::logs-b/*"),
            Err("AccessDenied".to_owned())
        );
        let too_large = format!(r#"{{"Id":"{}","Statement":[]}}"#, "x".repeat(21_000));
        assert!(client.s3("PUT", "/logs-b?policy", &too_large).is_err());
    }
}
