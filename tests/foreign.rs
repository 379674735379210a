//! What others put on our bucket, key and trail stays as it is; what of it would stop the log is found before any write.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod support;

use serde_json::Value;
use support::{Example, Moto, Run};

/// Somebody else's statements, lifecycle rule and tags. Written in ways that ours are not: lists of one, odd order.
const OTHERS_MOVE_IN: &str = "
s3, kms = client('s3'), client('kms')
bucket = 'acme-org-trail-logs'
policy = json.loads(s3.get_bucket_policy(Bucket=bucket)['Policy'])
policy['Statement'].insert(1, {
    'Resource': [f'arn:aws:s3:::{bucket}/AWSLogs/*', f'arn:aws:s3:::{bucket}'],
    'Action': ['s3:GetObject', 's3:ListBucket'], 'Principal': {'AWS': ['arn:aws:iam::ARCHIVE:root']},
    'Effect': 'Allow', 'Sid': 'AuditorsRead',
    'Condition': {'Bool': {'aws:SecureTransport': ['true']}}})
s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
key = kms.describe_key(KeyId='alias/org-trail')['KeyMetadata']['KeyId']
policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName='default')['Policy'])
policy['Statement'].insert(0, {'Resource': '*', 'Principal': {'AWS': 'arn:aws:iam::ARCHIVE:root'},
    'Action': ['kms:Decrypt'], 'Effect': 'Allow', 'Sid': 'AuditorsDecrypt'})
kms.put_key_policy(KeyId=key, PolicyName='default', Policy=json.dumps(policy))
kms.tag_resource(KeyId=key, Tags=[{'TagKey': 'cost-center', 'TagValue': '4711'}])
tags = s3.get_bucket_tagging(Bucket=bucket)['TagSet']
s3.put_bucket_tagging(Bucket=bucket, Tagging={'TagSet': tags + [{'Key': 'cost-center', 'Value': ''}]})
lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
rule = {'ID': 'reports', 'Status': 'Enabled', 'Expiration': {'Days': 3},
        'Filter': {'And': {'Prefix': 'reports/', 'Tags': [{'Key': 'kind', 'Value': 'draft'}]}}}
s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={'Rules': [rule] + lifecycle['Rules']})
";

const TAG_THE_TRAIL: &str = "
cloudtrail = client('cloudtrail')
arn = cloudtrail.get_trail(Name='org')['Trail']['TrailARN']
cloudtrail.add_tags(ResourceId=arn, TagsList=[{'Key': 'cost-center', 'Value': '4711'}])
";

/// Each foreign thing as the text that AWS keeps.
const WHAT_OTHERS_HAVE: &str = "
s3, kms = client('s3'), client('kms')
bucket = 'acme-org-trail-logs'
key = kms.describe_key(KeyId='alias/org-trail')['KeyMetadata']['KeyId']
bucket_policy = json.loads(s3.get_bucket_policy(Bucket=bucket)['Policy'])['Statement']
key_policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName='default')['Policy'])['Statement']
rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)['Rules']
[json.dumps([s for s in bucket_policy if s.get('Sid') == 'AuditorsRead']),
 json.dumps([s for s in key_policy if s.get('Sid') == 'AuditorsDecrypt']),
 json.dumps([r for r in rules if r['ID'] == 'reports']),
 json.dumps([t for t in s3.get_bucket_tagging(Bucket=bucket)['TagSet'] if t['Key'] == 'cost-center']),
 json.dumps([t for t in kms.list_resource_tags(KeyId=key)['Tags'] if t['TagKey'] == 'cost-center'])]
";

const TAGS_OF_THE_TRAIL: &str = "
cloudtrail = client('cloudtrail')
arn = cloudtrail.get_trail(Name='org')['Trail']['TrailARN']
tags = cloudtrail.list_tags(ResourceIdList=[arn])['ResourceTagList'][0]['TagsList']
{t['Key']: t['Value'] for t in tags}
";

fn in_archive(example: &Example, script: &str) -> Value {
    let script = script.replace("ARCHIVE", &example.archive);
    example.boto3(&example.archive, &script)
}

fn what_others_add_stays(example: &Example) {
    example.run("apply --auto-approve").exits(0);
    in_archive(example, OTHERS_MOVE_IN);
    example.boto3(&example.management, TAG_THE_TRAIL);
    example.plans_nothing();
    let before = in_archive(example, WHAT_OTHERS_HAVE);
    for thing in before.as_array().unwrap() {
        assert_ne!(thing, "[]", "{before}");
    }

    // Every part that others share changes in the spec.
    let reader = format!("arn:aws:iam::{}:role/siem", example.archive);
    let second = reader.replace("siem", "OrgTrailPlan");
    example.edit(
        &format!("- {reader}"),
        &format!("- {reader}\n      - {second}"),
    );
    example.edit(
        "    bucket: logs\n",
        "    bucket: logs\n    prefix: audit\n",
    );
    example.edit("{ days: 90,", "{ days: 120,");
    example.edit("team: security", "team: audit");
    let plan = example.run("plan --detailed-exitcode").exits(2);
    plan.says("policy[OrgTrailWrite]")
        .says("policy[OrgTrailReaders]")
        .says("lifecycle[orgtrail/archive-over-131072]")
        .says("tags.team: security → audit")
        .says("Plan: 0 to add, 4 to change, 0 to destroy.")
        .never_says("Auditors")
        .never_says("cost-center");
    example.apply();

    let after = in_archive(example, WHAT_OTHERS_HAVE);
    assert_eq!(before, after);
    let tags = example.boto3(&example.management, TAGS_OF_THE_TRAIL);
    assert_eq!(tags["cost-center"], "4711");
    assert_eq!(tags["team"], "audit");
}

#[test]
fn what_others_add_stays_on_the_sandbox() {
    what_others_add_stays(&Example::on_sandbox());
}

#[test]
fn what_others_add_stays_on_moto() {
    let moto = Moto::shared();
    let aws = moto.proxied(&["--fix", "all"]);
    what_others_add_stays(&Example::on(aws.endpoint()));
}

/// A Deny that catches CloudTrail, because CloudTrail comes through no VPC endpoint.
const DENY_CLOUDTRAIL: &str = "
s3 = client('s3')
bucket = 'acme-org-trail-logs'
try:
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)['Policy'])
except s3.exceptions.ClientError:
    policy = {'Version': '2012-10-17', 'Statement': []}
policy['Statement'].append({'Sid': 'OnlyFromOurNetwork', 'Effect': 'Deny', 'Principal': '*', 'Action': 's3:Put*',
    'Resource': f'arn:aws:s3:::{bucket}/*', 'Condition': {'StringNotEquals': {'aws:SourceVpce': 'vpce-1a2b3c4d'}}})
s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
";

fn names_the_deny(run: Run) {
    run.exits(3)
        .says("OnlyFromOurNetwork")
        .says("trail.org")
        .never_says("Apply complete");
}

/// The bucket was there before us, and so was its policy.
fn a_foreign_deny_refuses_the_first_plan(example: &Example) {
    let make = format!(
        "client('s3').create_bucket(Bucket='acme-org-trail-logs', ObjectLockEnabledForBucket=True)\n{DENY_CLOUDTRAIL}"
    );
    in_archive(example, &make);
    names_the_deny(example.run("plan --out org.plan"));
    names_the_deny(example.run("apply --auto-approve --allow deletes-history"));
    names_the_deny(example.run("apply org.plan --allow deletes-history"));
}

#[test]
fn a_foreign_deny_refuses_the_first_plan_on_the_sandbox() {
    a_foreign_deny_refuses_the_first_plan(&Example::on_sandbox());
}

#[test]
fn a_foreign_deny_refuses_the_first_plan_on_moto_before_any_write() {
    let moto = Moto::shared();
    let aws = moto.proxied(&["--fix", "all"]);
    let example = Example::on(aws.endpoint());
    a_foreign_deny_refuses_the_first_plan(&example);
    let mut writes = aws.writes();
    // Those of the test itself.
    writes.retain(|write| !write.starts_with("organizations.Create"));
    assert_eq!(writes, ["s3.CreateBucket", "s3.PutBucketPolicy"]);
}

/// Nothing of the spec changes, so there is nothing to refuse; but it is said, and the next change is refused.
#[test]
fn a_foreign_deny_that_comes_later_is_named_and_refuses_the_next_change_of_the_trail() {
    let example = Example::on_sandbox();
    example.run("apply --auto-approve").exits(0);
    in_archive(&example, DENY_CLOUDTRAIL);
    let plan = example.run("plan").exits(0);
    plan.says("OnlyFromOurNetwork").says("No changes.");
    example.edit(
        "    bucket: logs\n",
        "    bucket: logs\n    prefix: audit\n",
    );
    names_the_deny(example.run("plan"));
    names_the_deny(example.run("apply --auto-approve"));
}

/// KMS would accept this with BypassPolicyLockoutSafetyCheck, and then nobody could ever change the policy again.
const LOCK_THE_OWNER_OUT: &str = "
kms = client('kms')
key = kms.describe_key(KeyId='alias/org-trail')['KeyMetadata']['KeyId']
policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName='default')['Policy'])
policy['Statement'].append({'Sid': 'Frozen', 'Effect': 'Deny', 'Principal': {'AWS': '*'}, 'Action': 'kms:PutKeyPolicy',
    'Resource': '*'})
kms.put_key_policy(KeyId=key, PolicyName='default', Policy=json.dumps(policy), BypassPolicyLockoutSafetyCheck=True)
";

fn a_key_policy_that_locks_the_owner_out_is_refused_at_plan(example: &Example) {
    example.run("apply --auto-approve").exits(0);
    in_archive(example, LOCK_THE_OWNER_OUT);
    let plan = example.run("plan").exits(0);
    plan.says("Frozen").says("No changes.");
    example.edit("rotation_days: 365", "rotation_days: 180");
    for words in ["plan", "apply --auto-approve"] {
        let run = example.run(words).exits(3);
        run.says("Frozen").says("key.trail").says("PutKeyPolicy");
    }
}

#[test]
fn a_key_policy_that_locks_the_owner_out_is_refused_at_plan_on_the_sandbox() {
    a_key_policy_that_locks_the_owner_out_is_refused_at_plan(&Example::on_sandbox());
}

#[test]
fn a_key_policy_that_locks_the_owner_out_is_refused_at_plan_on_moto() {
    let moto = Moto::shared();
    let aws = moto.proxied(&["--fix", "all"]);
    a_key_policy_that_locks_the_owner_out_is_refused_at_plan(&Example::on(aws.endpoint()));
}
