#!/usr/bin/env python3
"""Try every AWS call that orgtrail makes on each emulator and say which ones answer as AWS would.

    support.py            the table of SUPPORT.md (four minutes)
    support.py ENDPOINT   one server, with an empty organization: what differs

"ok": what was written is what is read, and AWS's own defaults and refusals that orgtrail relies on are there.
Otherwise the cell says what differs. The fix column names the --fix of fault_proxy.py without which the row is
not ok; a row that no fix mends says so.
"""
import json
import pathlib
import re
import subprocess
import sys
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from aws_fixes import FIXES

MANAGEMENT = "123456789012"
REGION = "eu-central-1"
CLOUDTRAIL = "cloudtrail.amazonaws.com"
CHECKS = []  # (service, calls, what, function)


def check(service, calls, what=""):
    def add(function):
        CHECKS.append((service, calls, what, function))
        return function

    return add


def same(what, got, want):
    assert got == want, f"{what}: {json.dumps(got, default=str)} instead of {json.dumps(want, default=str)}"


def refuses(code, call, **arguments):
    try:
        answer = call(**arguments)
    except ClientError as e:
        same("refusal", e.response["Error"]["Code"], code)
    else:
        answer.pop("ResponseMetadata", None)
        raise AssertionError(f"accepted instead of refused with {code}")


class World:
    """The clients, and what the checks have made so far."""

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def client(self, service, region=REGION, keys=(MANAGEMENT, "secret", None)):
        return boto3.client(
            service, region, endpoint_url=self.endpoint,
            aws_access_key_id=keys[0], aws_secret_access_key=keys[1], aws_session_token=keys[2],
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def member_client(self, service, region=REGION):
        return self.client(service, region, self.member_keys)

    def __getattr__(self, name):  # w.s3, w.kms, …: the management account's client
        assert name in ("sts", "organizations", "iam", "kms", "s3", "sns", "cloudtrail"), f"not tried, no {name}"
        client = self.client(name, "us-east-1" if name in ("organizations", "iam") else REGION)
        setattr(self, name, client)
        return client


@check("STS", "GetCallerIdentity")
def _(w):
    same("account", w.sts.get_caller_identity()["Account"], MANAGEMENT)


@check("Organizations", "CreateOrganization", "preparation only")
def _(w):
    w.organizations.create_organization(FeatureSet="ALL")


@check("Organizations", "DescribeOrganization", "management account")
def _(w):
    o = w.organizations.describe_organization()["Organization"]
    same("MasterAccountId", o["MasterAccountId"], MANAGEMENT)
    same("FeatureSet", o["FeatureSet"], "ALL")
    w.organization = o["Id"]


@check("Organizations", "CreateAccount", "preparation only; a random id")
def _(w):
    made = w.organizations.create_account(Email="a@example.com", AccountName="log-archive")
    w.member = made["CreateAccountStatus"]["AccountId"]


@check("Organizations", "ListAccounts")
def _(w):
    ids = [a["Id"] for a in w.organizations.list_accounts()["Accounts"]]
    same("accounts", sorted(ids), sorted([MANAGEMENT, w.member]))


@check("STS", "AssumeRole", "OrganizationAccountAccessRole in a member account; nobody made it")
def _(w):
    c = w.sts.assume_role(RoleArn=f"arn:aws:iam::{w.member}:role/OrganizationAccountAccessRole",
                          RoleSessionName="test")["Credentials"]
    w.member_keys = c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"]
    same("account", w.member_client("sts").get_caller_identity()["Account"], w.member)


@check("STS", "AssumeRole", "a role that does not exist: AccessDenied")
def _(w):
    refuses("AccessDenied", w.sts.assume_role, RoleArn=f"arn:aws:iam::{w.member}:role/no-such-role", RoleSessionName="test")


@check("STS", "GetCallerIdentity", "access key = a member's account id (no AssumeRole)")
def _(w):
    keys = (w.member, "secret", None)
    same("account", w.client("sts", keys=keys).get_caller_identity()["Account"], w.member)


@check("Organizations", "DescribeOrganization", "member account")
def _(w):
    o = w.member_client("organizations", "us-east-1").describe_organization()["Organization"]
    same("Id", o["Id"], w.organization)


def plain_trail(w, name, **more):
    more.setdefault("S3BucketName", "logs-" + MANAGEMENT)
    return w.cloudtrail.create_trail(Name=name, **more)


@check("S3", "HeadBucket", "missing bucket: 404")
def _(w):
    refuses("404", w.s3.head_bucket, Bucket="no-such-bucket")


@check("S3", "CreateBucket, HeadBucket, GetBucketLocation", "another Region than us-east-1")
def _(w):
    bucket = w.bucket = "logs-" + MANAGEMENT
    w.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION},
                       ObjectOwnership="BucketOwnerEnforced")
    head = w.s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=MANAGEMENT)
    same("region", head["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region"), REGION)
    same("location", w.s3.get_bucket_location(Bucket=bucket)["LocationConstraint"], REGION)


@check("S3", "CreateBucket", "tags given at creation")
def _(w):
    w.s3.create_bucket(Bucket="tagged-at-creation", CreateBucketConfiguration={
        "LocationConstraint": REGION, "Tags": [{"Key": "a", "Value": "b"}]})
    same("tags", w.s3.get_bucket_tagging(Bucket="tagged-at-creation")["TagSet"], [{"Key": "a", "Value": "b"}])


@check("S3", "CreateBucket", "name taken: BucketAlreadyOwnedByYou, BucketAlreadyExists")
def _(w):
    place = {"LocationConstraint": REGION}
    refuses("BucketAlreadyOwnedByYou", w.s3.create_bucket, Bucket=w.bucket, CreateBucketConfiguration=place)
    refuses("BucketAlreadyExists", w.member_client("s3").create_bucket, Bucket=w.bucket, CreateBucketConfiguration=place)


@check("S3", "HeadBucket, GetBucketPolicy, PutBucketPolicy", "ExpectedBucketOwner is another account: 403")
def _(w):
    refuses("403", w.s3.head_bucket, Bucket=w.bucket, ExpectedBucketOwner=w.member)
    refuses("AccessDenied", w.s3.get_bucket_policy, Bucket=w.bucket, ExpectedBucketOwner=w.member)
    refuses("AccessDenied", w.s3.put_bucket_policy, Bucket=w.bucket, Policy="{}", ExpectedBucketOwner=w.member)


@check("S3", "GetBucketEncryption", "AWS's default on a new bucket, AES256")
def _(w):
    rules = w.s3.get_bucket_encryption(Bucket=w.bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    same("algorithm", rules[0]["ApplyServerSideEncryptionByDefault"], {"SSEAlgorithm": "AES256"})


@check("S3", "GetPublicAccessBlock", "AWS's default on a new bucket, all on")
def _(w):
    same("block", w.s3.get_public_access_block(Bucket=w.bucket)["PublicAccessBlockConfiguration"], all_blocked())


def all_blocked(on=True):
    return dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), on)


@check("S3", "GetBucketOwnershipControls", "AWS's default on a new bucket, BucketOwnerEnforced")
def _(w):
    w.s3.create_bucket(Bucket="plain-" + MANAGEMENT, CreateBucketConfiguration={"LocationConstraint": REGION})
    got = w.s3.get_bucket_ownership_controls(Bucket="plain-" + MANAGEMENT)["OwnershipControls"]["Rules"]
    same("rules", got, [{"ObjectOwnership": "BucketOwnerEnforced"}])


@check("S3", "Get of policy, lifecycle, tagging, object lock", "none set: the code AWS gives")
def _(w):
    b = {"Bucket": w.bucket, "ExpectedBucketOwner": MANAGEMENT}
    refuses("NoSuchBucketPolicy", w.s3.get_bucket_policy, **b)
    refuses("NoSuchLifecycleConfiguration", w.s3.get_bucket_lifecycle_configuration, **b)
    refuses("NoSuchTagSet", w.s3.get_bucket_tagging, **b)
    refuses("ObjectLockConfigurationNotFoundError", w.s3.get_object_lock_configuration, **b)
    same("logging", w.s3.get_bucket_logging(**b).get("LoggingEnabled"), None)
    same("versioning", w.s3.get_bucket_versioning(**b).get("Status"), None)


@check("S3", "Put/GetPublicAccessBlock")
def _(w):
    for on in (False, True):
        w.s3.put_public_access_block(Bucket=w.bucket, PublicAccessBlockConfiguration=all_blocked(on))
        same("block", w.s3.get_public_access_block(Bucket=w.bucket)["PublicAccessBlockConfiguration"], all_blocked(on))


@check("S3", "Put/GetBucketOwnershipControls")
def _(w):
    for rule in ("ObjectWriter", "BucketOwnerEnforced"):
        rules = {"Rules": [{"ObjectOwnership": rule}]}
        w.s3.put_bucket_ownership_controls(Bucket=w.bucket, OwnershipControls=rules)
        same("rules", w.s3.get_bucket_ownership_controls(Bucket=w.bucket)["OwnershipControls"], rules)


@check("S3", "Put/GetBucketVersioning")
def _(w):
    w.s3.put_bucket_versioning(Bucket=w.bucket, VersioningConfiguration={"Status": "Enabled"})
    same("status", w.s3.get_bucket_versioning(Bucket=w.bucket)["Status"], "Enabled")


@check("S3", "Put/GetBucketTagging")
def _(w):
    tags = {"TagSet": [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": ""}]}
    w.s3.put_bucket_tagging(Bucket=w.bucket, Tagging=tags)
    same("tags", w.s3.get_bucket_tagging(Bucket=w.bucket)["TagSet"], tags["TagSet"])


@check("S3", "Put/GetBucketPolicy")
def _(w):
    policy = {"Version": "2012-10-17", "Statement": [
        {"Sid": "check", "Effect": "Allow", "Principal": {"Service": CLOUDTRAIL}, "Action": "s3:GetBucketAcl",
         "Resource": f"arn:aws:s3:::{w.bucket}"},
        {"Sid": "write", "Effect": "Allow", "Principal": {"Service": CLOUDTRAIL}, "Action": "s3:PutObject",
         "Resource": [f"arn:aws:s3:::{w.bucket}/{prefix}AWSLogs/*" for prefix in ("", "org/", "other/")]}]}
    w.s3.put_bucket_policy(Bucket=w.bucket, Policy=json.dumps(policy))
    same("policy", json.loads(w.s3.get_bucket_policy(Bucket=w.bucket)["Policy"]), policy)


@check("S3", "Put/GetBucketEncryption", "SSE-KMS with a bucket key")
def _(w):
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": {
        "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": f"arn:aws:kms:{REGION}:{MANAGEMENT}:key/k"}, "BucketKeyEnabled": True}]}
    w.s3.put_bucket_encryption(Bucket=w.bucket, ServerSideEncryptionConfiguration=rules)
    got = w.s3.get_bucket_encryption(Bucket=w.bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    got.pop("BlockedEncryptionTypes", None)
    same("rules", [got], rules["Rules"])


LIFECYCLE = {"Rules": [
    {"ID": "archive", "Status": "Enabled", "Filter": {"Prefix": "AWSLogs/"},
     "Transitions": [{"Days": 90, "StorageClass": "GLACIER_IR"}, {"Days": 365, "StorageClass": "DEEP_ARCHIVE"}],
     "NoncurrentVersionTransitions": [{"NoncurrentDays": 30, "StorageClass": "GLACIER"}],
     "NoncurrentVersionExpiration": {"NoncurrentDays": 60, "NewerNoncurrentVersions": 2},
     "Expiration": {"Days": 2555}},
    {"ID": "small", "Status": "Disabled",
     "Filter": {"And": {"Prefix": "x/", "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeGreaterThan": 128}},
     "Expiration": {"ExpiredObjectDeleteMarker": True}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}]}


@check("S3", "Put/GetBucketLifecycleConfiguration", "transitions, noncurrent versions, filters")
def _(w):
    w.s3.put_bucket_lifecycle_configuration(Bucket=w.bucket, LifecycleConfiguration=LIFECYCLE)
    got = w.s3.get_bucket_lifecycle_configuration(Bucket=w.bucket)
    for rule, wanted in zip(got["Rules"], LIFECYCLE["Rules"]):
        for part in wanted:
            same(f"{rule['ID']}.{part}", rule.get(part), wanted[part])
    same("rules", got["Rules"], LIFECYCLE["Rules"])


@check("S3", "Put/GetBucketLifecycleConfiguration", "TransitionDefaultMinimumObjectSize: default and given")
def _(w):
    rule = {"Rules": [LIFECYCLE["Rules"][1]]}
    w.s3.put_bucket_lifecycle_configuration(Bucket=w.bucket, LifecycleConfiguration=rule)
    got = w.s3.get_bucket_lifecycle_configuration(Bucket=w.bucket).get("TransitionDefaultMinimumObjectSize")
    same("default", got, "all_storage_classes_128K")
    w.s3.put_bucket_lifecycle_configuration(Bucket=w.bucket, LifecycleConfiguration=rule,
                                            TransitionDefaultMinimumObjectSize="varies_by_storage_class")
    got = w.s3.get_bucket_lifecycle_configuration(Bucket=w.bucket).get("TransitionDefaultMinimumObjectSize")
    same("given", got, "varies_by_storage_class")


@check("S3", "DeleteBucketLifecycle")
def _(w):
    w.s3.delete_bucket_lifecycle(Bucket=w.bucket)
    refuses("NoSuchLifecycleConfiguration", w.s3.get_bucket_lifecycle_configuration, Bucket=w.bucket)


@check("S3", "Put/GetBucketLogging", "granted by the target's policy; PartitionedPrefix")
def _(w):
    target = "plain-" + MANAGEMENT
    w.s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
         "Resource": f"arn:aws:s3:::{target}/access/*"}]}))
    wanted = {"TargetBucket": target, "TargetPrefix": "access/",
              "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}}
    w.s3.put_bucket_logging(Bucket=w.bucket, BucketLoggingStatus={"LoggingEnabled": wanted})
    same("logging", w.s3.get_bucket_logging(Bucket=w.bucket).get("LoggingEnabled"), wanted)


@check("S3", "CreateBucket, Put/GetObjectLockConfiguration", "default retention in years, then in days")
def _(w):
    w.s3.create_bucket(Bucket="locked-" + MANAGEMENT, CreateBucketConfiguration={"LocationConstraint": REGION},
                       ObjectLockEnabledForBucket=True)
    same("versioning", w.s3.get_bucket_versioning(Bucket="locked-" + MANAGEMENT).get("Status"), "Enabled")
    same("none yet", w.s3.get_object_lock_configuration(Bucket="locked-" + MANAGEMENT)["ObjectLockConfiguration"],
         {"ObjectLockEnabled": "Enabled"})
    for retention in ({"Mode": "COMPLIANCE", "Years": 7}, {"Mode": "GOVERNANCE", "Days": 400}):
        lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}
        w.s3.put_object_lock_configuration(Bucket="locked-" + MANAGEMENT, ObjectLockConfiguration=lock)
        same("lock", w.s3.get_object_lock_configuration(Bucket="locked-" + MANAGEMENT)["ObjectLockConfiguration"], lock)


@check("S3", "PutObjectLockConfiguration", "of a bucket that has objects")
def _(w):
    bucket = {"Bucket": "locked-" + MANAGEMENT}
    w.s3.put_object(Key="log", Body=b"1", **bucket)
    lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 500}}}
    w.s3.put_object_lock_configuration(ObjectLockConfiguration=lock, **bucket)
    same("lock", w.s3.get_object_lock_configuration(**bucket)["ObjectLockConfiguration"], lock)


@check("S3", "PutObject", "If-None-Match: *, If-Match: refused with PreconditionFailed")
def _(w):
    put = {"Bucket": w.bucket, "Key": "lock", "ExpectedBucketOwner": MANAGEMENT}
    tag = w.s3.put_object(Body=b"1", IfNoneMatch="*", **put)["ETag"]
    refuses("PreconditionFailed", w.s3.put_object, Body=b"2", IfNoneMatch="*", **put)
    newer = w.s3.put_object(Body=b"3", IfMatch=tag, **put)["ETag"]
    refuses("PreconditionFailed", w.s3.put_object, Body=b"4", IfMatch=tag, **put)
    got = w.s3.get_object(**put)
    same("content", [got["Body"].read().decode(), got["ETag"]], ["3", newer])


@check("S3", "DeleteObject", "then GetObject: NoSuchKey")
def _(w):
    w.s3.delete_object(Bucket=w.bucket, Key="lock")
    refuses("NoSuchKey", w.s3.get_object, Bucket=w.bucket, Key="lock")


@check("KMS", "CreateKey", "policy, tags")
def _(w):
    policy = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "own", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}, "Action": "kms:*", "Resource": "*"},
        {"Sid": "trail", "Effect": "Allow", "Principal": {"Service": CLOUDTRAIL},
         "Action": ["kms:GenerateDataKey*", "kms:DescribeKey"], "Resource": "*"}]})
    made = w.kms.create_key(Policy=policy, Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    w.key, w.key_arn = made["KeyId"], made["Arn"]
    for field, value in {"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT", "KeyState": "Enabled",
                         "MultiRegion": False, "KeyManager": "CUSTOMER", "Origin": "AWS_KMS"}.items():
        same(field, made.get(field), value)
    same("policy", json.loads(w.kms.get_key_policy(KeyId=w.key_arn, PolicyName="default")["Policy"]), json.loads(policy))
    same("tags", w.kms.list_resource_tags(KeyId=w.key)["Tags"], [{"TagKey": "a", "TagValue": "b"}])


@check("KMS", "CreateAlias, ListAliases, DescribeKey by alias")
def _(w):
    refuses("NotFoundException", w.kms.describe_key, KeyId="alias/trail")
    w.kms.create_alias(AliasName="alias/trail", TargetKeyId=w.key)
    refuses("AlreadyExistsException", w.kms.create_alias, AliasName="alias/trail", TargetKeyId=w.key)
    same("key", w.kms.describe_key(KeyId="alias/trail")["KeyMetadata"]["Arn"], w.key_arn)
    for aliases in (w.kms.list_aliases(KeyId=w.key)["Aliases"], w.kms.list_aliases()["Aliases"]):
        same("aliases", [a["TargetKeyId"] for a in aliases if a["AliasName"] == "alias/trail"], [w.key])


@check("KMS", "PutKeyPolicy, GetKeyPolicy")
def _(w):
    policy = json.loads(w.kms.get_key_policy(KeyId=w.key)["Policy"])
    policy["Id"] = "changed"
    w.kms.put_key_policy(KeyId=w.key, Policy=json.dumps(policy))
    same("policy", json.loads(w.kms.get_key_policy(KeyId=w.key)["Policy"]), policy)


@check("KMS", "EnableKeyRotation, GetKeyRotationStatus", "RotationPeriodInDays")
def _(w):
    same("at first", w.kms.get_key_rotation_status(KeyId=w.key)["KeyRotationEnabled"], False)
    for days in (180, 365):
        w.kms.enable_key_rotation(KeyId=w.key, RotationPeriodInDays=days)
        got = w.kms.get_key_rotation_status(KeyId=w.key_arn)
        same("rotation", [got["KeyRotationEnabled"], got.get("RotationPeriodInDays")], [True, days])


@check("KMS", "DisableKey, EnableKey", "by ARN")
def _(w):
    for call, state in ((w.kms.disable_key, "Disabled"), (w.kms.enable_key, "Enabled")):
        call(KeyId=w.key_arn)
        same("state", w.kms.describe_key(KeyId=w.key)["KeyMetadata"]["KeyState"], state)


@check("KMS", "TagResource, UntagResource, ListResourceTags")
def _(w):
    w.kms.tag_resource(KeyId=w.key_arn, Tags=[{"TagKey": "c", "TagValue": "d"}, {"TagKey": "a", "TagValue": "x"}])
    same("tags", sorted(t["TagKey"] + t["TagValue"] for t in w.kms.list_resource_tags(KeyId=w.key)["Tags"]), ["ax", "cd"])
    w.kms.untag_resource(KeyId=w.key_arn, TagKeys=["a"])
    same("tags", [t["TagKey"] for t in w.kms.list_resource_tags(KeyId=w.key)["Tags"]], ["c"])


@check("SNS", "GetTopicAttributes", "unknown topic: NotFound")
def _(w):
    w.topic = w.sns.create_topic(Name="trail")["TopicArn"]
    policy = json.loads(w.sns.get_topic_attributes(TopicArn=w.topic)["Attributes"]["Policy"])
    policy["Statement"].append({"Effect": "Allow", "Principal": {"Service": CLOUDTRAIL}, "Action": "SNS:Publish",
                                "Resource": w.topic})
    w.sns.set_topic_attributes(TopicArn=w.topic, AttributeName="Policy", AttributeValue=json.dumps(policy))
    same("policy", json.loads(w.sns.get_topic_attributes(TopicArn=w.topic)["Attributes"]["Policy"]), policy)
    refuses("NotFound", w.sns.get_topic_attributes, TopicArn=w.topic + "-not")


@check("CloudTrail", "CreateTrail", "of the organization, trusted access off: CloudTrailAccessNotEnabledException")
def _(w):
    try:
        refuses("CloudTrailAccessNotEnabledException", plain_trail, w=w, name="no-access", IsOrganizationTrail=True)
    finally:
        try:
            w.cloudtrail.delete_trail(Name="no-access")
        except ClientError:
            pass


@check("Organizations", "Enable/ListAWSServiceAccessForOrganization")
def _(w):
    services = lambda: [s["ServicePrincipal"] for s in
                        w.organizations.list_aws_service_access_for_organization()["EnabledServicePrincipals"]]
    same("at first", services(), [])
    w.organizations.enable_aws_service_access(ServicePrincipal=CLOUDTRAIL)
    same("then", services(), [CLOUDTRAIL])


@check("IAM", "GetRole, CreateServiceLinkedRole", "AWSServiceRoleForCloudTrail")
def _(w):
    name = "AWSServiceRoleForCloudTrail"
    refuses("NoSuchEntity", w.iam.get_role, RoleName=name)
    w.iam.create_service_linked_role(AWSServiceName=CLOUDTRAIL)
    same("path", w.iam.get_role(RoleName=name)["Role"]["Path"], f"/aws-service-role/{CLOUDTRAIL}/")


@check("IAM", "CreateServiceLinkedRole", "again: InvalidInput")
def _(w):
    refuses("InvalidInput", w.iam.create_service_linked_role, AWSServiceName=CLOUDTRAIL)


@check("CloudTrail", "CreateTrail", "bucket missing: S3BucketDoesNotExistException")
def _(w):
    refuses("S3BucketDoesNotExistException", plain_trail, w=w, name="no-bucket", S3BucketName="no-such-bucket")


@check("CloudTrail", "CreateTrail", "bucket policy does not admit CloudTrail: InsufficientS3BucketPolicyException")
def _(w):
    refuses("InsufficientS3BucketPolicyException", plain_trail, w=w, name="no-policy", S3BucketName="locked-" + MANAGEMENT)


@check("CloudTrail", "CreateTrail", "key missing: KmsKeyNotFoundException; its policy does not admit CloudTrail: InsufficientEncryptionPolicyException")
def _(w):
    refuses("KmsKeyNotFoundException", plain_trail, w=w, name="no-key", KmsKeyId="alias/no-such-key")
    own = w.kms.create_key()["KeyMetadata"]["Arn"]
    refuses("InsufficientEncryptionPolicyException", plain_trail, w=w, name="no-key-policy", KmsKeyId=own)


ORG_TRAIL = {"IsMultiRegionTrail": True, "IsOrganizationTrail": True, "EnableLogFileValidation": True, "S3KeyPrefix": "org"}


def expect_trail(w, got, **wanted):
    for field, value in wanted.items():
        same(field, got.get(field), value)


@check("CloudTrail", "CreateTrail, GetTrail by ARN", "organization, multi-Region, validation, prefix, key ARN")
def _(w):
    made = w.cloudtrail.create_trail(Name="org", S3BucketName=w.bucket, KmsKeyId=w.key_arn, **ORG_TRAIL)
    w.trail = made["TrailARN"]
    same("ARN", w.trail, f"arn:aws:cloudtrail:{REGION}:{MANAGEMENT}:trail/org")
    got = w.cloudtrail.get_trail(Name=w.trail)["Trail"]
    expect_trail(w, got, IsMultiRegionTrail=True, IsOrganizationTrail=True, LogFileValidationEnabled=True, S3KeyPrefix="org",
                 IncludeGlobalServiceEvents=True, S3BucketName=w.bucket, KmsKeyId=w.key_arn, HasInsightSelectors=False)


@check("CloudTrail", "GetTrail", "HomeRegion, HasCustomEventSelectors false")
def _(w):
    expect_trail(w, w.cloudtrail.get_trail(Name=w.trail)["Trail"], HomeRegion=REGION, HasCustomEventSelectors=False)


@check("CloudTrail", "GetTrail", "unknown: TrailNotFoundException")
def _(w):
    refuses("TrailNotFoundException", w.cloudtrail.get_trail, Name=w.trail + "-not")


@check("CloudTrail", "CreateTrail", "same name again: TrailAlreadyExistsException")
def _(w):
    plain_trail(w, "twice")
    refuses("TrailAlreadyExistsException", plain_trail, w=w, name="twice")


@check("CloudTrail", "CreateTrail, ListTags", "tags given at creation")
def _(w):
    arn = plain_trail(w, "tagged", TagsList=[{"Key": "a", "Value": "b"}])["TrailARN"]
    same("tags", w.cloudtrail.list_tags(ResourceIdList=[arn])["ResourceTagList"][0]["TagsList"], [{"Key": "a", "Value": "b"}])


@check("CloudTrail", "AddTags, RemoveTags, ListTags")
def _(w):
    w.cloudtrail.add_tags(ResourceId=w.trail, TagsList=[{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}])
    w.cloudtrail.add_tags(ResourceId=w.trail, TagsList=[{"Key": "a", "Value": "x"}])
    w.cloudtrail.remove_tags(ResourceId=w.trail, TagsList=[{"Key": "c"}])
    same("tags", w.cloudtrail.list_tags(ResourceIdList=[w.trail])["ResourceTagList"][0]["TagsList"], [{"Key": "a", "Value": "x"}])


@check("CloudTrail", "CreateTrail", "KmsKeyId as alias: GetTrail says the key's ARN")
def _(w):
    same("KmsKeyId", plain_trail(w, "by-alias", KmsKeyId="alias/trail").get("KmsKeyId"), w.key_arn)
    same("KmsKeyId", w.cloudtrail.get_trail(Name="by-alias")["Trail"].get("KmsKeyId"), w.key_arn)


@check("CloudTrail", "CreateTrail, UpdateTrail", "SnsTopicName as ARN: GetTrail says SnsTopicARN")
def _(w):
    plain_trail(w, "topic", SnsTopicName=w.topic)
    expect_trail(w, w.cloudtrail.get_trail(Name="topic")["Trail"], SnsTopicARN=w.topic)
    w.cloudtrail.update_trail(Name=w.trail, SnsTopicName=w.topic)
    expect_trail(w, w.cloudtrail.get_trail(Name=w.trail)["Trail"], SnsTopicARN=w.topic)


@check("CloudTrail", "CreateTrail, UpdateTrail, GetTrail", "RecursiveLogging")
def _(w):
    expect_trail(w, w.cloudtrail.get_trail(Name=w.trail)["Trail"], RecursiveLogging=True)
    plain_trail(w, "quiet", RecursiveLogging=False)
    expect_trail(w, w.cloudtrail.get_trail(Name="quiet")["Trail"], RecursiveLogging=False)
    w.cloudtrail.update_trail(Name="quiet", RecursiveLogging=True)
    expect_trail(w, w.cloudtrail.get_trail(Name="quiet")["Trail"], RecursiveLogging=True)


@check("CloudTrail", "UpdateTrail", "by ARN: flags, prefix, bucket")
def _(w):
    w.cloudtrail.update_trail(Name=w.trail, IsMultiRegionTrail=False, EnableLogFileValidation=False, S3KeyPrefix="other",
                              IncludeGlobalServiceEvents=False, IsOrganizationTrail=False)
    expect_trail(w, w.cloudtrail.get_trail(Name=w.trail)["Trail"], IsMultiRegionTrail=False, LogFileValidationEnabled=False,
                 S3KeyPrefix="other", IncludeGlobalServiceEvents=False, IsOrganizationTrail=False)
    w.cloudtrail.update_trail(Name=w.trail, IncludeGlobalServiceEvents=True, **ORG_TRAIL)
    expect_trail(w, w.cloudtrail.get_trail(Name=w.trail)["Trail"], IsMultiRegionTrail=True, S3KeyPrefix="org")


@check("CloudTrail", "UpdateTrail", "\"\" clears KmsKeyId and SnsTopicName")
def _(w):
    w.cloudtrail.update_trail(Name=w.trail, KmsKeyId="", SnsTopicName="")
    got = w.cloudtrail.get_trail(Name=w.trail)["Trail"]
    same("left", {k: got[k] for k in ("KmsKeyId", "SnsTopicName", "SnsTopicARN") if k in got}, {})
    w.cloudtrail.update_trail(Name=w.trail, KmsKeyId=w.key_arn)


@check("CloudTrail", "ListTrails")
def _(w):
    trails = w.cloudtrail.list_trails()["Trails"]
    same("trail", [t for t in trails if t["Name"] == "org"], [{"Name": "org", "TrailARN": w.trail, "HomeRegion": REGION}])
    names = [t["Name"] for t in w.client("cloudtrail", "us-east-1").list_trails()["Trails"]]
    same("from another Region", "tagged" in names, True)


@check("CloudTrail", "GetTrail, UpdateTrail", "by ARN from another Region: answers; InvalidHomeRegionException")
def _(w):
    other = w.client("cloudtrail", "us-east-1")
    same("ARN", other.get_trail(Name=w.trail)["Trail"]["TrailARN"], w.trail)
    refuses("InvalidHomeRegionException", other.update_trail, Name=w.trail, S3KeyPrefix="x")


@check("CloudTrail", "GetTrail", "an organization's trail, by ARN from a member account")
def _(w):
    same("ARN", w.member_client("cloudtrail").get_trail(Name=w.trail)["Trail"]["TrailARN"], w.trail)


@check("CloudTrail", "StartLogging, StopLogging, GetTrailStatus", "by ARN; a new trail does not log")
def _(w):
    for call, logging in ((None, False), (w.cloudtrail.start_logging, True), (w.cloudtrail.stop_logging, False)):
        if call:
            call(Name=w.trail)
        got = w.cloudtrail.get_trail_status(Name=w.trail)
        same("IsLogging", got["IsLogging"], logging)
    same("times", ["StartLoggingTime" in got, "StopLoggingTime" in got], [True, True])


@check("CloudTrail", "GetEventSelectors", "AWS's default on a new trail")
def _(w):
    got = w.cloudtrail.get_event_selectors(TrailName=w.trail)
    same("selectors", got.get("EventSelectors"), [
        {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [], "ExcludeManagementEventSources": []}])
    same("advanced", "AdvancedEventSelectors" in got, False)


ADVANCED = [
    {"Name": "management", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]},
                                              {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}]},
    {"Name": "s3", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]},
                                      {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                                      {"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::a/"]}]}]
BASIC = [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True,
          "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
          "ExcludeManagementEventSources": ["kms.amazonaws.com"]}]


@check("CloudTrail", "PutEventSelectors, GetEventSelectors", "advanced")
def _(w):
    put = w.cloudtrail.put_event_selectors(TrailName=w.trail, AdvancedEventSelectors=ADVANCED)
    same("answer", put["AdvancedEventSelectors"], ADVANCED)
    got = w.cloudtrail.get_event_selectors(TrailName=w.trail)
    same("selectors", got["AdvancedEventSelectors"], ADVANCED)
    same("HasCustomEventSelectors", w.cloudtrail.get_trail(Name=w.trail)["Trail"]["HasCustomEventSelectors"], True)


@check("CloudTrail", "PutEventSelectors, GetEventSelectors", "basic and advanced replace each other")
def _(w):
    for sent, other, value in (("EventSelectors", "AdvancedEventSelectors", BASIC),
                               ("AdvancedEventSelectors", "EventSelectors", ADVANCED)):
        w.cloudtrail.put_event_selectors(TrailName=w.trail, **{sent: value})
        got = w.cloudtrail.get_event_selectors(TrailName=w.trail)
        same(sent, got.get(sent), value)
        same(other, got.get(other), None)


@check("CloudTrail", "GetInsightSelectors", "none set: InsightNotEnabledException")
def _(w):
    refuses("InsightNotEnabledException", w.cloudtrail.get_insight_selectors, TrailName=w.trail)


@check("CloudTrail", "PutInsightSelectors, GetInsightSelectors", "replace; an empty list turns them off")
def _(w):
    kinds = lambda: [s["InsightType"] for s in w.cloudtrail.get_insight_selectors(TrailName=w.trail)["InsightSelectors"]]
    for kind in ("ApiCallRateInsight", "ApiErrorRateInsight"):
        w.cloudtrail.put_insight_selectors(TrailName=w.trail, InsightSelectors=[{"InsightType": kind}])
        same("kinds", kinds(), [kind])
    same("HasInsightSelectors", w.cloudtrail.get_trail(Name=w.trail)["Trail"]["HasInsightSelectors"], True)
    w.cloudtrail.put_insight_selectors(TrailName=w.trail, InsightSelectors=[])
    refuses("InsightNotEnabledException", w.cloudtrail.get_insight_selectors, TrailName=w.trail)


@check("CloudTrail", "PutInsightSelectors, GetInsightSelectors", "EventCategories: given, and AWS's default Management")
def _(w):
    kinds = [{"InsightType": "ApiErrorRateInsight", "EventCategories": ["Management", "Data"]}]
    w.cloudtrail.put_insight_selectors(TrailName=w.trail, InsightSelectors=kinds)
    same("kinds", w.cloudtrail.get_insight_selectors(TrailName=w.trail)["InsightSelectors"], kinds)
    w.cloudtrail.put_insight_selectors(TrailName=w.trail, InsightSelectors=[{"InsightType": "ApiErrorRateInsight"}])
    same("kinds", w.cloudtrail.get_insight_selectors(TrailName=w.trail)["InsightSelectors"],
         [{"InsightType": "ApiErrorRateInsight", "EventCategories": ["Management"]}])


@check("CloudTrail", "PutEventConfiguration, GetEventConfiguration", "AggregationConfigurations of a trail")
def _(w):
    same("at first", w.cloudtrail.get_event_configuration(TrailName=w.trail).get("AggregationConfigurations", []), [])
    wanted = [{"Templates": ["API_ACTIVITY"], "EventCategory": "Data"}]
    w.cloudtrail.put_event_configuration(TrailName=w.trail, AggregationConfigurations=wanted)
    same("configuration", w.cloudtrail.get_event_configuration(TrailName=w.trail)["AggregationConfigurations"], wanted)


@check("CloudTrail", "DeleteTrail", "by name")
def _(w):
    w.cloudtrail.delete_trail(Name="tagged")
    refuses("TrailNotFoundException", w.cloudtrail.get_trail, Name="tagged")


@check("CloudTrail", "DeleteTrail", "by ARN; an unknown one: TrailNotFoundException")
def _(w):
    w.cloudtrail.delete_trail(Name=w.trail)
    refuses("TrailNotFoundException", w.cloudtrail.get_trail, Name=w.trail)
    refuses("TrailNotFoundException", w.cloudtrail.delete_trail, Name=w.trail)


@check("CloudTrail", "CreateTrail", "again after deletion: nothing of the old one")
def _(w):
    plain_trail(w, "org")
    refuses("InsightNotEnabledException", w.cloudtrail.get_insight_selectors, TrailName="org")
    same("selectors", len(w.cloudtrail.get_event_selectors(TrailName="org").get("EventSelectors", [])), 1)
    same("tags", w.cloudtrail.list_tags(ResourceIdList=[w.trail])["ResourceTagList"][0]["TagsList"], [])


def outcome(function, world):
    try:
        function(world)
        return "ok"
    except ClientError as e:
        code = e.response["Error"]["Code"]
        missing = code == "500" or "Unknown" in e.response["Error"]["Message"] and "action" in e.response["Error"]["Message"] \
            or "InvalidAction" in code
        if missing:
            return f"**missing**: {e.operation_name}"
        return f"**departs**: {e.operation_name} refused, {code}"
    except AssertionError as e:
        # what is random is left out, so that the table changes only when something changes
        text = re.sub(r"[0-9a-f-]{36}|\bo-[0-9a-z]{10}|\b(?!%s)\d{12}\b" % MANAGEMENT, "…", str(e)).replace("|", "\\|")
        return "**departs**: " + (text if len(text) < 160 else text[:157] + "…")
    except BotoCoreError as e:
        return f"**departs**: {type(e).__name__}"
    except (KeyError, IndexError) as e:
        return f"**departs**: the answer lacks {e}"


def run(endpoint):
    world = World(endpoint)
    return [outcome(function, world) for *_, function in CHECKS]


def serve(*command):
    here = pathlib.Path(__file__).parent
    server = subprocess.Popen([sys.executable, *command], cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    return server.stdout.readline().split()[-1], server  # the server ends with our end of its standard input


def column(emulator, reset):
    """-> what it does by itself, what with all fixes, and for each row the fixes it needs"""
    target, _server = serve("serve.py", emulator)
    proxy, _proxy = serve("fault_proxy.py", "--end-with-stdin", "--target", target)

    def with_fixes(names):
        for path, body in ((reset, b""), ("/_proxy/config", json.dumps({"fix": ",".join(names)}).encode())):
            urllib.request.urlopen(urllib.request.Request(proxy + path, body)).read()
        return run(proxy)

    alone, fixed = with_fixes([]), with_fixes(FIXES)
    needs = [[] for _ in CHECKS]
    for fix in FIXES:
        without = {fix, "prerequisites"} if fix == "trustedaccess" else {fix}  # the latter asks for the former
        for row, cell in enumerate(with_fixes(set(FIXES) - without)):
            if cell != "ok" and fixed[row] == "ok" and alone[row] != "ok" and not without & set(needs[row]):
                needs[row].append(fix)
    return alone, fixed, needs


def main():
    if len(sys.argv) > 1:
        for (service, calls, what, _), cell in zip(CHECKS, run(sys.argv[1])):
            print(f"{service} {calls} ({what}): {cell}") if cell != "ok" else None
        return
    columns = [column("moto", "/moto-api/reset"), column("ministack", "/_ministack/reset")]
    print("| service | calls | what | moto | ministack | fix |")
    print("|---|---|---|---|---|---|")
    for row, (service, calls, what, _) in enumerate(CHECKS):
        fixes = dict.fromkeys(f"`{fix}`" for _, _, needs in columns for fix in needs[row])
        unmended = [name for name, (_, fixed, _) in zip(("moto", "ministack"), columns) if fixed[row] != "ok"]
        fix = ", ".join([*fixes, *(f"none for {name}" for name in unmended)])
        print("| " + " | ".join([service, calls, what, *(alone[row] for alone, _, _ in columns), fix]) + " |")


if __name__ == "__main__":
    main()
