#!/usr/bin/env python3
"""Probe an AWS emulator: run one fixed list of API calls against an endpoint URL.

    aws_probe.py --endpoint http://127.0.0.1:5000 --out matrix.json [--name moto]
                 [--access-key test --secret-key test] [--region us-east-1]
                 [--only cloudtrail,organizations] [--bench]

Needs only boto3.  Statuses per probe:

    ok               the call succeeded and every read-back equals what was written
    wrong            the call succeeded but read-back / response does not reflect it
    not_implemented  the emulator says so (501, NotImplemented*, unknown action, no route)
    error            any other failure (code and message recorded)
    skipped          a probe it depends on failed

"fidelity" probes ask whether a refusal that real AWS makes is made too:

    enforced         refused with one of the error codes that real AWS documents
    enforced_other   refused, but with another code
    not_enforced     accepted

Every resource name carries a random suffix, so the script can be run again
against a server that keeps its state.
"""
import argparse
import http.client
import io
import json
import re
import statistics
import sys
import threading
import time
import urllib.parse
import urllib.request
import uuid
import zipfile
from datetime import datetime, timedelta, timezone

import boto3
import botocore
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import (BotoCoreError, ClientError, ParamValidationError)

NI_CODES = {"InvalidAction", "UnknownOperationException", "UnknownOperation", "UnknownAction",
            "NotImplemented", "NotImplementedException", "NotImplementedError", "501",
            "UnsupportedOperation", "UnsupportedOperationException", "UnknownService",
            "ServiceNotSupported", "UnsupportedService"}
NI_TEXT = ("not implemented", "not yet implemented", "notimplemented", "is not supported by",
           "unknown operation", "unsupported operation", "unknown action", "unsupported service",
           "could not find operation", "service not supported", "not supported in this emulator")


class Wrong(Exception):
    """Read-back differs from what was written."""


def want(cond, msg):
    if not cond:
        raise Wrong(msg)


def eq(actual, expected, what):
    if actual != expected:
        raise Wrong(f"{what}: wrote {expected!r}, read {actual!r}"[:400])


def has(d, what, **kv):
    """every key of kv has that value in d"""
    bad = [f"{k}: want {v!r} got {d.get(k)!r}" for k, v in kv.items() if d.get(k) != v]
    if bad:
        raise Wrong(f"{what}: " + "; ".join(bad)[:500])


def tagdict(tags):
    return {t.get("Key", t.get("TagKey")): t.get("Value", t.get("TagValue")) for t in tags or []}


class Probe:
    def __init__(self, args):
        self.args = args
        self.region = args.region
        self.sfx = uuid.uuid4().hex[:8]
        self.rows = []
        self.ctx = {}
        self.log_pos = 0
        self.t0 = time.time()

    # -- clients ---------------------------------------------------------
    def client(self, svc, region=None, creds=None, validate=True):
        ak, sk, tok = creds or (self.args.access_key, self.args.secret_key, None)
        return boto3.client(
            svc, region_name=region or self.region, endpoint_url=self.args.endpoint,
            aws_access_key_id=ak, aws_secret_access_key=sk, aws_session_token=tok,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=45,
                          s3={"addressing_style": "path"}, inject_host_prefix=False,
                          parameter_validation=validate))

    # -- recording -------------------------------------------------------
    def rec(self, svc, op, variant, status, detail=""):
        self.rows.append({"service": svc, "op": op, "variant": variant, "status": status,
                          "detail": str(detail)[:400]})
        if self.args.verbose or status not in ("ok", "enforced"):
            print(f"  {svc:14} {op:38} {variant:34} {status:16} {str(detail)[:150]}", flush=True)

    def log_tail(self):
        """what the server logged since the last look (--server-log)"""
        if not self.args.server_log:
            return ""
        time.sleep(0.2)
        with open(self.args.server_log, "rb") as f:
            f.seek(self.log_pos)
            d = f.read().decode("utf-8", "replace")
            self.log_pos = f.tell()
        return d

    def classify(self, e):
        log = self.log_tail()
        if isinstance(e, Wrong):
            return "wrong", str(e)
        if isinstance(e, (KeyError, IndexError, TypeError, AttributeError)):
            return "wrong", f"response lacks a field: {type(e).__name__} {e}"
        if isinstance(e, ParamValidationError):
            return "error", "probe bug? " + str(e)
        if isinstance(e, ClientError):
            code = str(e.response.get("Error", {}).get("Code", ""))
            msg = str(e.response.get("Error", {}).get("Message", ""))
            http_ = e.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            text = (code + " " + msg).lower()
            if http_ == 500 and "<!doctype html" in text:  # werkzeug's page, says nothing
                last = [ln for ln in log.splitlines() if ln.strip() and "HTTP/1.1" not in ln][-1:]
                if "NotImplementedError" in log or "Unable to find appropriate backend" in log:
                    return "not_implemented", f"500, log: {last}"
                return "error", f"500, log: {last}"
            if re.search(r"unknown \w+ action|no service registered", text):
                return "not_implemented", f"{http_} {code}: {msg}"
            if http_ == 501 or code in NI_CODES or any(t in text for t in NI_TEXT):
                return "not_implemented", f"{http_} {code}: {msg}"
            return "error", f"{http_} {code}: {msg}"
        if isinstance(e, BotoCoreError):
            return "error", f"{type(e).__name__}: {e}"
        return "error", f"{type(e).__name__}: {e}"

    def run(self, svc, op, variant, fn, needs=()):
        missing = [n for n in needs if n not in self.ctx]
        if missing:
            self.rec(svc, op, variant, "skipped", "needs " + ",".join(missing))
            return None
        try:
            r = fn()
        except Exception as e:  # noqa: BLE001 - every failure is a result
            self.rec(svc, op, variant, *self.classify(e))
            return None
        self.rec(svc, op, variant, "ok")
        return r if r is not None else True

    def refuse(self, svc, op, variant, fn, codes, needs=()):
        """a call that real AWS refuses with one of codes"""
        missing = [n for n in needs if n not in self.ctx]
        if missing:
            self.rec("fidelity:" + svc, op, variant, "skipped", "needs " + ",".join(missing))
            return
        try:
            r = fn()
        except ClientError as e:
            code = e.response["Error"].get("Code", "")
            st, detail = self.classify(e)
            if st == "not_implemented":
                self.rec("fidelity:" + svc, op, variant, st, detail)
            elif detail.startswith("500, log"):
                self.rec("fidelity:" + svc, op, variant, "error", detail)
            elif code in codes:
                self.rec("fidelity:" + svc, op, variant, "enforced", code)
            else:
                self.rec("fidelity:" + svc, op, variant, "enforced_other",
                         f"{code} (real: {'/'.join(codes)}): {e.response['Error'].get('Message', '')}")
            return
        except Exception as e:  # noqa: BLE001
            self.rec("fidelity:" + svc, op, variant, *self.classify(e))
            return
        self.rec("fidelity:" + svc, op, variant, "not_enforced", f"accepted; real: {'/'.join(codes)}")
        return r

    # ======================================================================
    def sts(self):
        c = self.client("sts")

        def ident():
            r = c.get_caller_identity()
            want(r.get("Account") and r.get("Arn"), f"empty identity {r}")
            self.ctx["account"] = r["Account"]
        self.run("sts", "GetCallerIdentity", "", ident)
        self.ctx.setdefault("account", "123456789012")

    # ======================================================================
    def organizations(self):
        o = self.client("organizations")
        x = self.ctx

        def create():
            try:
                r = o.create_organization(FeatureSet="ALL")["Organization"]
                want(r["MasterAccountId"] == x["account"],
                     f"MasterAccountId {r['MasterAccountId']} is not the caller {x['account']}")
            except ClientError as e:
                if e.response["Error"]["Code"] != "AlreadyInOrganizationException":
                    raise
            x["org"] = True
        self.run("organizations", "CreateOrganization", "ALL", create)

        def desc():
            r = o.describe_organization()["Organization"]
            x["org_id"], x["org"] = r["Id"], True
            has(r, "organization", FeatureSet="ALL", MasterAccountId=x["account"])
        self.run("organizations", "DescribeOrganization", "", desc)

        def roots():
            r = o.list_roots()["Roots"]
            want(len(r) == 1, f"{len(r)} roots")
            x["root"] = r[0]["Id"]
        self.run("organizations", "ListRoots", "", roots)

        def mkacct(n):
            s = o.create_account(Email=f"{n}-{self.sfx}@example.com", AccountName=f"{n}-{self.sfx}",
                                 Tags=[{"Key": "k", "Value": "v"}])["CreateAccountStatus"]
            for _ in range(20):
                s = o.describe_create_account_status(
                    CreateAccountRequestId=s["Id"])["CreateAccountStatus"]
                if s["State"] != "IN_PROGRESS":
                    break
                time.sleep(0.2)
            want(s["State"] == "SUCCEEDED", f"state {s}")
            return s["AccountId"]

        def acct():
            x["member"] = mkacct("member")
            x["member2"] = mkacct("member2")
            a = o.describe_account(AccountId=x["member"])["Account"]
            has(a, "account", Name=f"member-{self.sfx}", Status="ACTIVE")
            t = tagdict(o.list_tags_for_resource(ResourceId=x["member"])["Tags"])
            eq(t, {"k": "v"}, "account tags")
        self.run("organizations", "CreateAccount+DescribeAccount", "tags", acct)

        def la():
            ids = [a["Id"] for p in o.get_paginator("list_accounts").paginate() for a in p["Accounts"]]
            for a in (x["account"], x["member"], x["member2"]):
                want(a in ids, f"{a} not in ListAccounts {ids}")
        self.run("organizations", "ListAccounts", "", la, ("member",))

        def lap():
            r = o.list_accounts(MaxResults=2)
            want(len(r["Accounts"]) == 2 and r.get("NextToken"),
                 f"MaxResults=2 gave {len(r['Accounts'])} accounts, NextToken={r.get('NextToken')!r}")
            r2 = o.list_accounts(MaxResults=2, NextToken=r["NextToken"])
            want(not {a["Id"] for a in r["Accounts"]} & {a["Id"] for a in r2["Accounts"]}, "pages overlap")
        self.run("organizations", "ListAccounts", "pagination", lap, ("member2",))

        def ou():
            u = o.create_organizational_unit(ParentId=x["root"], Name=f"ou-{self.sfx}",
                                             Tags=[{"Key": "a", "Value": "b"}])["OrganizationalUnit"]
            x["ou"] = u["Id"]
            eq(o.describe_organizational_unit(OrganizationalUnitId=u["Id"])["OrganizationalUnit"]["Name"],
               f"ou-{self.sfx}", "ou name")
            want(u["Id"] in [i["Id"] for i in o.list_organizational_units_for_parent(
                ParentId=x["root"])["OrganizationalUnits"]], "OU not listed")
        self.run("organizations", "CreateOrganizationalUnit+Describe+List", "", ou, ("root",))

        def mv():
            o.move_account(AccountId=x["member"], SourceParentId=x["root"], DestinationParentId=x["ou"])
            eq(o.list_parents(ChildId=x["member"])["Parents"][0]["Id"], x["ou"], "parent")
            want(x["member"] in [a["Id"] for a in o.list_accounts_for_parent(ParentId=x["ou"])["Accounts"]],
                 "not in ListAccountsForParent")
        self.run("organizations", "MoveAccount+ListParents+ListAccountsForParent", "", mv, ("ou", "member"))

        # org trail before trusted access is enabled: see fidelity()
        def enpt():
            try:
                o.enable_policy_type(RootId=x["root"], PolicyType="SERVICE_CONTROL_POLICY")
            except ClientError as e:
                if e.response["Error"]["Code"] != "PolicyTypeAlreadyEnabledException":
                    raise
            pts = o.list_roots()["Roots"][0].get("PolicyTypes", [])
            want({"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"} in pts, f"PolicyTypes {pts}")
        self.run("organizations", "EnablePolicyType", "SCP", enpt, ("root",))

        scp = json.dumps({"Version": "2012-10-17", "Statement": [
            {"Sid": "ProtectTrail", "Effect": "Deny",
             "Action": ["cloudtrail:StopLogging", "cloudtrail:DeleteTrail"], "Resource": "*"}]})

        def cp():
            p = o.create_policy(Name=f"scp-{self.sfx}", Description="d", Type="SERVICE_CONTROL_POLICY",
                                Content=scp, Tags=[{"Key": "a", "Value": "b"}])["Policy"]
            x["scp"] = p["PolicySummary"]["Id"]
            eq(json.loads(o.describe_policy(PolicyId=x["scp"])["Policy"]["Content"]), json.loads(scp), "content")
        self.run("organizations", "CreatePolicy+DescribePolicy", "SCP", cp, ("org",))

        def up():
            o.update_policy(PolicyId=x["scp"], Description="d2", Content=scp.replace("ProtectTrail", "P2"))
            p = o.describe_policy(PolicyId=x["scp"])["Policy"]
            eq(p["PolicySummary"]["Description"], "d2", "description")
            want('"P2"' in p["Content"], "content not updated")
        self.run("organizations", "UpdatePolicy", "", up, ("scp",))

        def ap():
            o.attach_policy(PolicyId=x["scp"], TargetId=x["ou"])
            ids = [p["Id"] for p in o.list_policies_for_target(
                TargetId=x["ou"], Filter="SERVICE_CONTROL_POLICY")["Policies"]]
            want(x["scp"] in ids, f"not in {ids}")
            t = [t["TargetId"] for t in o.list_targets_for_policy(PolicyId=x["scp"])["Targets"]]
            want(x["ou"] in t, f"targets {t}")
        self.run("organizations", "AttachPolicy+ListPoliciesForTarget", "", ap, ("scp", "ou"))

        def dp():
            o.detach_policy(PolicyId=x["scp"], TargetId=x["ou"])
            ids = [p["Id"] for p in o.list_policies_for_target(
                TargetId=x["ou"], Filter="SERVICE_CONTROL_POLICY")["Policies"]]
            want(x["scp"] not in ids, "still attached")
            o.delete_policy(PolicyId=x["scp"])
        self.run("organizations", "DetachPolicy+DeletePolicy", "", dp, ("scp", "ou"))

    def organizations_access(self):
        """after fidelity checks that need trusted access to be off"""
        o = self.client("organizations")
        x = self.ctx
        sp = "cloudtrail.amazonaws.com"

        def en():
            o.enable_aws_service_access(ServicePrincipal=sp)
            r = [s["ServicePrincipal"] for s in
                 o.list_aws_service_access_for_organization()["EnabledServicePrincipals"]]
            want(sp in r, f"not in {r}")
            x["trusted"] = True
        self.run("organizations", "EnableAWSServiceAccess+ListAWSServiceAccess", "cloudtrail", en, ("org",))

        def da():
            o.register_delegated_administrator(AccountId=x["member"], ServicePrincipal=sp)
            r = [a["Id"] for a in o.list_delegated_administrators(ServicePrincipal=sp)["DelegatedAdministrators"]]
            want(x["member"] in r, f"not in {r}")
            s = [s["ServicePrincipal"] for s in o.list_delegated_services_for_account(
                AccountId=x["member"])["DelegatedServices"]]
            want(sp in s, f"services {s}")
        self.run("organizations", "RegisterDelegatedAdministrator+ListDelegatedAdministrators", "", da,
                 ("member", "trusted"))

        def dd():
            o.deregister_delegated_administrator(AccountId=x["member"], ServicePrincipal=sp)
            r = [a["Id"] for a in o.list_delegated_administrators(ServicePrincipal=sp)["DelegatedAdministrators"]]
            want(x["member"] not in r, "still registered")
        self.run("organizations", "DeregisterDelegatedAdministrator", "", dd, ("member", "trusted"))

    # ======================================================================
    def kms(self):
        k = self.client("kms")
        x = self.ctx
        acct = x["account"]
        base = {"Sid": "root", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{acct}:root"},
                "Action": "kms:*", "Resource": "*"}
        ctpol = {"Version": "2012-10-17", "Id": "ct", "Statement": [
            base,
            {"Sid": "ct", "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
             "Action": "kms:GenerateDataKey*", "Resource": "*",
             "Condition": {"StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn":
                                          f"arn:aws:cloudtrail:*:{acct}:trail/*"}}},
            # kms:Decrypt because this probe's bucket has an S3 Bucket Key, and CreateTrail and UpdateTrail are refused
            # with InsufficientEncryptionPolicyException without it ("S3 Bucket Key" in
            # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html).
            {"Sid": "ctd", "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
             "Action": ["kms:DescribeKey", "kms:Decrypt"], "Resource": "*"}]}
        x["kms_policy_ct"] = ctpol

        def ck():
            m = k.create_key(Description="trail key", Policy=json.dumps(ctpol), MultiRegion=True,
                             Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
            x["key"], x["key_arn"] = m["KeyId"], m["Arn"]
            d = k.describe_key(KeyId=m["KeyId"])["KeyMetadata"]
            has(d, "key", Description="trail key", MultiRegion=True, KeyState="Enabled", Enabled=True,
                KeyUsage="ENCRYPT_DECRYPT", KeySpec="SYMMETRIC_DEFAULT")
            want(d["KeyId"].startswith("mrk-"), f"multi-Region key id {d['KeyId']} lacks mrk-")
            eq((d.get("MultiRegionConfiguration") or {}).get("MultiRegionKeyType"), "PRIMARY", "mr type")
        self.run("kms", "CreateKey+DescribeKey", "policy,tags,MultiRegion", ck)

        def gp():
            eq(json.loads(k.get_key_policy(KeyId=x["key"], PolicyName="default")["Policy"]), ctpol, "policy")
        self.run("kms", "GetKeyPolicy", "policy given at create", gp, ("key",))

        def pp():
            p2 = json.loads(json.dumps(ctpol))
            p2["Id"] = "ct2"
            k.put_key_policy(KeyId=x["key"], PolicyName="default", Policy=json.dumps(p2))
            eq(json.loads(k.get_key_policy(KeyId=x["key"], PolicyName="default")["Policy"]), p2, "policy")
        self.run("kms", "PutKeyPolicy", "", pp, ("key",))

        def tg():
            eq(tagdict(k.list_resource_tags(KeyId=x["key"])["Tags"]), {"a": "b"}, "create tags")
            k.tag_resource(KeyId=x["key"], Tags=[{"TagKey": "c", "TagValue": "d"}])
            eq(tagdict(k.list_resource_tags(KeyId=x["key"])["Tags"]), {"a": "b", "c": "d"}, "tags")
            k.untag_resource(KeyId=x["key"], TagKeys=["c"])
            eq(tagdict(k.list_resource_tags(KeyId=x["key"])["Tags"]), {"a": "b"}, "untag")
        self.run("kms", "TagResource+UntagResource+ListResourceTags", "", tg, ("key",))

        al = f"alias/trail-{self.sfx}"

        def ca():
            k.create_alias(AliasName=al, TargetKeyId=x["key"])
            a = [a for a in k.list_aliases(KeyId=x["key"])["Aliases"] if a["AliasName"] == al]
            want(a and a[0].get("TargetKeyId") == x["key"], f"alias {a}")
            eq(k.describe_key(KeyId=al)["KeyMetadata"]["KeyId"], x["key"], "describe by alias")
            x["alias"] = al
        self.run("kms", "CreateAlias+ListAliases", "", ca, ("key",))

        def ck2():
            x["key2"] = k.create_key(Description="no cloudtrail")["KeyMetadata"]["KeyId"]
            x["key2_arn"] = k.describe_key(KeyId=x["key2"])["KeyMetadata"]["Arn"]
            p = json.loads(k.get_key_policy(KeyId=x["key2"], PolicyName="default")["Policy"])
            want(p["Statement"][0]["Principal"]["AWS"].endswith(":root"), f"default policy {p}")
        self.run("kms", "CreateKey", "default policy", ck2)

        def ua():
            k.update_alias(AliasName=al, TargetKeyId=x["key2"])
            eq(k.describe_key(KeyId=al)["KeyMetadata"]["KeyId"], x["key2"], "alias target")
            k.update_alias(AliasName=al, TargetKeyId=x["key"])
        self.run("kms", "UpdateAlias", "", ua, ("alias", "key2"))

        def rot():
            k.enable_key_rotation(KeyId=x["key"], RotationPeriodInDays=180)
            has(k.get_key_rotation_status(KeyId=x["key"]), "rotation", KeyRotationEnabled=True,
                RotationPeriodInDays=180)
        self.run("kms", "EnableKeyRotation+GetKeyRotationStatus", "RotationPeriodInDays", rot, ("key",))

        def rotoff():
            k.disable_key_rotation(KeyId=x["key"])
            eq(k.get_key_rotation_status(KeyId=x["key"])["KeyRotationEnabled"], False, "rotation")
        self.run("kms", "DisableKeyRotation", "", rotoff, ("key",))

        def dis():
            k.disable_key(KeyId=x["key2"])
            has(k.describe_key(KeyId=x["key2"])["KeyMetadata"], "key", KeyState="Disabled", Enabled=False)
            k.enable_key(KeyId=x["key2"])
            has(k.describe_key(KeyId=x["key2"])["KeyMetadata"], "key", KeyState="Enabled", Enabled=True)
        self.run("kms", "DisableKey+EnableKey", "", dis, ("key2",))

        def sched():
            kid = k.create_key()["KeyMetadata"]["KeyId"]
            k.schedule_key_deletion(KeyId=kid, PendingWindowInDays=7)
            d = k.describe_key(KeyId=kid)["KeyMetadata"]
            has(d, "key", KeyState="PendingDeletion")
            days = (d["DeletionDate"] - datetime.now(timezone.utc)).total_seconds() / 86400
            want(6.9 < days < 7.1, f"DeletionDate in {days:.1f} days")
            k.cancel_key_deletion(KeyId=kid)
            has(k.describe_key(KeyId=kid)["KeyMetadata"], "key after cancel", KeyState="Disabled")
        self.run("kms", "ScheduleKeyDeletion+CancelKeyDeletion", "7 days; Disabled after cancel", sched)

        def pag():
            r = k.list_keys(Limit=1)
            want(len(r["Keys"]) == 1 and r.get("Truncated") and r.get("NextMarker"),
                 f"Limit=1 gave {len(r['Keys'])}, Truncated={r.get('Truncated')}")
            r2 = k.list_keys(Limit=1, Marker=r["NextMarker"])
            want(r2["Keys"][0]["KeyId"] != r["Keys"][0]["KeyId"], "same page twice")
        self.run("kms", "ListKeys", "pagination", pag, ("key2",))

        def crypt():
            ct = k.generate_data_key(KeyId=x["key"], KeySpec="AES_256",
                                     EncryptionContext={"aws:cloudtrail:arn": "a"})
            p = k.decrypt(CiphertextBlob=ct["CiphertextBlob"], EncryptionContext={"aws:cloudtrail:arn": "a"})
            eq(p["Plaintext"], ct["Plaintext"], "data key")
        self.run("kms", "GenerateDataKey+Decrypt", "encryption context", crypt, ("key",))

        self.refuse("kms", "PutKeyPolicy", "malformed policy",
                    lambda: k.put_key_policy(KeyId=x["key"], PolicyName="default", Policy="{not json"),
                    ["MalformedPolicyDocumentException"], ("key",))
        self.refuse("kms", "EnableKeyRotation", "RotationPeriodInDays=5",
                    lambda: self.client("kms", validate=False).enable_key_rotation(
                        KeyId=x["key"], RotationPeriodInDays=5),
                    ["ValidationException"], ("key",))
        self.refuse("kms", "DescribeKey", "unknown key",
                    lambda: k.describe_key(KeyId=str(uuid.uuid4())), ["NotFoundException"])
        self.refuse("kms", "CreateAlias", "duplicate",
                    lambda: k.create_alias(AliasName=al, TargetKeyId=x["key"]),
                    ["AlreadyExistsException"], ("alias",))
        self.refuse("kms", "ScheduleKeyDeletion", "PendingWindowInDays=3",
                    lambda: k.schedule_key_deletion(KeyId=x["key2"], PendingWindowInDays=3),
                    ["ValidationException"], ("key2",))

    # ======================================================================
    def s3(self):
        s = self.client("s3")
        x = self.ctx
        acct = x["account"]
        b = f"ct-{acct}-{self.sfx}"
        b2 = f"ct-eu-{self.sfx}"
        b3 = f"ct-log-{self.sfx}"
        b4 = f"ct-lock-{self.sfx}"
        b5 = f"ct-nopol-{self.sfx}"

        def cb():
            s.create_bucket(Bucket=b)
            x["bucket"] = b
            h = s.head_bucket(Bucket=b)
            eq(h["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region"), self.region,
               "x-amz-bucket-region")
        self.run("s3", "CreateBucket+HeadBucket", "us-east-1; region header", cb)

        def cbeu():
            e = self.client("s3", "eu-west-1")
            e.create_bucket(Bucket=b2, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
            x["bucket_eu"] = b2
            eq(e.get_bucket_location(Bucket=b2)["LocationConstraint"], "eu-west-1", "location")
            eq(e.head_bucket(Bucket=b2)["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region"),
               "eu-west-1", "x-amz-bucket-region")
        self.run("s3", "CreateBucket+GetBucketLocation", "LocationConstraint eu-west-1", cbeu)

        def others():
            s.create_bucket(Bucket=b3)
            x["bucket_log"] = b3
            s.create_bucket(Bucket=b5)
            x["bucket_nopol"] = b5
        self.run("s3", "CreateBucket", "two more", others)

        def cblock():
            s.create_bucket(Bucket=b4, ObjectLockEnabledForBucket=True)
            x["bucket_lock"] = b4
            eq(s.get_bucket_versioning(Bucket=b4).get("Status"), "Enabled", "versioning on lock bucket")
        self.run("s3", "CreateBucket", "ObjectLockEnabledForBucket", cblock)

        def lb():
            names = [i["Name"] for i in s.list_buckets()["Buckets"]]
            want(b in names and b2 in names, f"not listed {names[:10]}")
        self.run("s3", "ListBuckets", "", lb, ("bucket", "bucket_eu"))

        pol = {"Version": "2012-10-17", "Statement": [
            {"Sid": "AWSCloudTrailAclCheck", "Effect": "Allow",
             "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:GetBucketAcl",
             "Resource": f"arn:aws:s3:::{b}"},
            {"Sid": "AWSCloudTrailWrite", "Effect": "Allow",
             "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject",
             "Resource": [f"arn:aws:s3:::{b}/*"],
             "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}}]}

        def bp():
            s.put_bucket_policy(Bucket=b, Policy=json.dumps(pol))
            eq(json.loads(s.get_bucket_policy(Bucket=b)["Policy"]), pol, "policy")
            x["bucket_policy"] = pol
        self.run("s3", "PutBucketPolicy+GetBucketPolicy", "", bp, ("bucket",))

        pab = dict(BlockPublicAcls=True, IgnorePublicAcls=True, BlockPublicPolicy=True,
                   RestrictPublicBuckets=True)

        def pabf():
            s.put_public_access_block(Bucket=b, PublicAccessBlockConfiguration=pab)
            eq(s.get_public_access_block(Bucket=b)["PublicAccessBlockConfiguration"], pab, "PAB")
        self.run("s3", "PutPublicAccessBlock+Get", "", pabf, ("bucket",))

        def ver():
            s.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Enabled"})
            eq(s.get_bucket_versioning(Bucket=b).get("Status"), "Enabled", "versioning")
        self.run("s3", "PutBucketVersioning+Get", "", ver, ("bucket",))

        def encdef():
            r = s.get_bucket_encryption(Bucket=b)["ServerSideEncryptionConfiguration"]["Rules"][0]
            eq(r["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256", "default SSE (since 2023)")
        self.run("s3", "GetBucketEncryption", "default SSE-S3 on a new bucket", encdef, ("bucket",))

        def enc():
            rule = {"ApplyServerSideEncryptionByDefault": {
                "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": x.get("key_arn", "k")},
                "BucketKeyEnabled": True}
            s.put_bucket_encryption(Bucket=b, ServerSideEncryptionConfiguration={"Rules": [rule]})
            got = s.get_bucket_encryption(Bucket=b)["ServerSideEncryptionConfiguration"]["Rules"][0]
            got.pop("BlockedEncryptionTypes", None)
            eq(got, rule, "encryption")
        self.run("s3", "PutBucketEncryption+Get", "SSE-KMS, bucket key", enc, ("bucket",))

        rules = [
            {"ID": "archive", "Status": "Enabled", "Filter": {"Prefix": "AWSLogs/"},
             "Transitions": [{"Days": 30, "StorageClass": "INTELLIGENT_TIERING"},
                             {"Days": 90, "StorageClass": "GLACIER_IR"},
                             {"Days": 180, "StorageClass": "GLACIER"},
                             {"Days": 365, "StorageClass": "DEEP_ARCHIVE"}],
             "Expiration": {"Days": 2555},
             "NoncurrentVersionTransitions": [{"NoncurrentDays": 30, "StorageClass": "GLACIER"}],
             "NoncurrentVersionExpiration": {"NoncurrentDays": 365, "NewerNoncurrentVersions": 3},
             "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
            {"ID": "big", "Status": "Enabled",
             "Filter": {"And": {"Prefix": "big/", "ObjectSizeGreaterThan": 131072,
                                "ObjectSizeLessThan": 10737418240,
                                "Tags": [{"Key": "t", "Value": "v"}]}},
             "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]},
            {"ID": "size", "Status": "Disabled", "Filter": {"ObjectSizeGreaterThan": 500},
             "Expiration": {"Days": 10}},
            {"ID": "marker", "Status": "Enabled", "Filter": {"Prefix": ""},
             "Expiration": {"ExpiredObjectDeleteMarker": True}},
        ]

        def lc():
            s.put_bucket_lifecycle_configuration(
                Bucket=b, LifecycleConfiguration={"Rules": rules},
                TransitionDefaultMinimumObjectSize="varies_by_storage_class")
            r = s.get_bucket_lifecycle_configuration(Bucket=b)
            key = lambda t: json.dumps(t, sort_keys=True)  # noqa: E731

            def norm(rr):
                rr = json.loads(json.dumps(rr))
                if "Transitions" in rr:
                    rr["Transitions"].sort(key=key)
                return rr
            got = {i["ID"]: norm(i) for i in r["Rules"]}
            for w in rules:
                eq(got.get(w["ID"]), norm(w), f"rule {w['ID']}")
            x["lifecycle"] = True
        self.run("s3", "PutBucketLifecycleConfiguration+Get", "all transition kinds", lc, ("bucket",))

        def lcm():
            eq(s.get_bucket_lifecycle_configuration(Bucket=b).get("TransitionDefaultMinimumObjectSize"),
               "varies_by_storage_class", "TransitionDefaultMinimumObjectSize")
        self.run("s3", "GetBucketLifecycleConfiguration", "TransitionDefaultMinimumObjectSize", lcm,
                 ("lifecycle",))

        def own():
            s.put_bucket_ownership_controls(Bucket=b, OwnershipControls={
                "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
            eq(s.get_bucket_ownership_controls(Bucket=b)["OwnershipControls"]["Rules"],
               [{"ObjectOwnership": "BucketOwnerEnforced"}], "ownership")
        self.run("s3", "PutBucketOwnershipControls+Get", "", own, ("bucket",))

        def lg():
            s.put_bucket_policy(Bucket=b3, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"},
                 "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{b3}/*"}]}))
            cfg = {"TargetBucket": b3, "TargetPrefix": "access/",
                   "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}}
            s.put_bucket_logging(Bucket=b, BucketLoggingStatus={"LoggingEnabled": cfg})
            eq(s.get_bucket_logging(Bucket=b).get("LoggingEnabled"), cfg, "logging")
        self.run("s3", "PutBucketLogging+Get", "PartitionedPrefix; policy, no ACL", lg, ("bucket", "bucket_log"))

        def lock():
            cfg = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 7}}}
            s.put_object_lock_configuration(Bucket=b4, ObjectLockConfiguration=cfg)
            eq(s.get_object_lock_configuration(Bucket=b4)["ObjectLockConfiguration"], cfg, "lock")
        self.run("s3", "PutObjectLockConfiguration+Get", "COMPLIANCE 7 years", lock, ("bucket_lock",))

        def tag():
            s.put_bucket_tagging(Bucket=b, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
            eq(tagdict(s.get_bucket_tagging(Bucket=b)["TagSet"]), {"a": "b"}, "tags")
            s.delete_bucket_tagging(Bucket=b)
        self.run("s3", "PutBucketTagging+Get+Delete", "", tag, ("bucket",))

        def notif():
            s.put_bucket_notification_configuration(
                Bucket=b, NotificationConfiguration={"EventBridgeConfiguration": {}})
            want("EventBridgeConfiguration" in s.get_bucket_notification_configuration(Bucket=b),
                 "EventBridgeConfiguration lost")
        self.run("s3", "PutBucketNotificationConfiguration+Get", "EventBridge", notif, ("bucket",))

        def notif2():
            sns = self.client("sns").create_topic(Name=f"n-{self.sfx}")["TopicArn"]
            self.client("sns").set_topic_attributes(
                TopicArn=sns, AttributeName="Policy", AttributeValue=json.dumps(
                    {"Version": "2012-10-17", "Statement": [
                        {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
                         "Action": "sns:Publish", "Resource": sns}]}))
            s.put_bucket_notification_configuration(Bucket=b, NotificationConfiguration={
                "TopicConfigurations": [{"Id": "t", "TopicArn": sns, "Events": ["s3:ObjectCreated:*"]}]})
            r = s.get_bucket_notification_configuration(Bucket=b).get("TopicConfigurations", [{}])[0]
            has(r, "topic config", TopicArn=sns, Events=["s3:ObjectCreated:*"])
        self.run("s3", "PutBucketNotificationConfiguration+Get", "SNS topic", notif2, ("bucket",))

        def repl():
            role = f"arn:aws:iam::{acct}:role/repl"
            e = self.client("s3", "eu-west-1")
            e.put_bucket_versioning(Bucket=b2, VersioningConfiguration={"Status": "Enabled"})
            cfg = {"Role": role, "Rules": [{
                "ID": "r", "Priority": 1, "Status": "Enabled", "Filter": {"Prefix": "AWSLogs/"},
                "DeleteMarkerReplication": {"Status": "Disabled"},
                "Destination": {"Bucket": f"arn:aws:s3:::{b2}", "StorageClass": "GLACIER_IR"}}]}
            s.put_bucket_replication(Bucket=b, ReplicationConfiguration=cfg)
            eq(s.get_bucket_replication(Bucket=b)["ReplicationConfiguration"], cfg, "replication")
        self.run("s3", "PutBucketReplication+Get", "", repl, ("bucket", "bucket_eu"))

        def acl():
            g = s.get_bucket_acl(Bucket=b)
            want(g.get("Owner") and g.get("Grants"), f"acl {g}")
        self.run("s3", "GetBucketAcl", "", acl, ("bucket",))

        def cond():
            s.put_object(Bucket=b, Key="lock/state.json", Body=b"1", IfNoneMatch="*")
            try:
                s.put_object(Bucket=b, Key="lock/state.json", Body=b"2", IfNoneMatch="*")
            except ClientError as e:
                eq(e.response["ResponseMetadata"]["HTTPStatusCode"], 412, "status")
                eq(e.response["Error"]["Code"], "PreconditionFailed", "code")
            else:
                raise Wrong("second If-None-Match:* write was accepted")
            eq(s.get_object(Bucket=b, Key="lock/state.json")["Body"].read(), b"1", "body")
        self.run("s3", "PutObject", "If-None-Match: *", cond, ("bucket",))

        def ifm():
            et = s.put_object(Bucket=b, Key="im", Body=b"1")["ETag"]
            et2 = s.put_object(Bucket=b, Key="im", Body=b"2", IfMatch=et)["ETag"]
            try:
                s.put_object(Bucket=b, Key="im", Body=b"3", IfMatch=et)
            except ClientError as e:
                eq(e.response["ResponseMetadata"]["HTTPStatusCode"], 412, "status")
            else:
                raise Wrong("stale If-Match write accepted")
            eq(s.head_object(Bucket=b, Key="im")["ETag"], et2, "etag")
        self.run("s3", "PutObject", "If-Match", ifm, ("bucket",))

        def lo():
            for i in range(5):
                s.put_object(Bucket=b, Key=f"AWSLogs/o-1/{acct}/CloudTrail/us-east-1/{i}.json.gz", Body=b"x")
            for i in range(3):
                s.put_object(Bucket=b, Key=f"AWSLogs/o-1/999999999999/CloudTrail/{i}", Body=b"x")
            r = s.list_objects_v2(Bucket=b, Prefix="AWSLogs/o-1/", Delimiter="/")
            eq(sorted(p["Prefix"] for p in r["CommonPrefixes"]),
               sorted([f"AWSLogs/o-1/{acct}/", "AWSLogs/o-1/999999999999/"]), "common prefixes")
            x["objects"] = True
        self.run("s3", "ListObjectsV2", "prefix+delimiter", lo, ("bucket",))

        def lop():
            keys, tok, n = [], None, 0
            while True:
                r = s.list_objects_v2(Bucket=b, Prefix="AWSLogs/", MaxKeys=3,
                                      **({"ContinuationToken": tok} if tok else {}))
                n += 1
                keys += [k["Key"] for k in r.get("Contents", [])]
                if not r.get("IsTruncated"):
                    break
                tok = r["NextContinuationToken"]
                want(n < 20, "endless")
            want(len(keys) == 8 and len(set(keys)) == 8 and n == 3, f"{len(keys)} keys in {n} pages")
            r = s.list_objects_v2(Bucket=b, Prefix="AWSLogs/",
                                  StartAfter=f"AWSLogs/o-1/{acct}/CloudTrail/us-east-1/3.json.gz")
            want(all(k["Key"] > f"AWSLogs/o-1/{acct}/CloudTrail/us-east-1/3.json.gz"
                     for k in r.get("Contents", [])), "StartAfter ignored")
        self.run("s3", "ListObjectsV2", "pagination, StartAfter", lop, ("objects",))

        def go():
            s.put_object(Bucket=b, Key="g", Body=b"hello world", Metadata={"m": "1"},
                         ServerSideEncryption="aws:kms", SSEKMSKeyId=x.get("key_arn", "k"))
            r = s.get_object(Bucket=b, Key="g", Range="bytes=0-4")
            eq(r["Body"].read(), b"hello", "range")
            r = s.get_object(Bucket=b, Key="g")
            eq(r["Body"].read(), b"hello world", "body")
            eq(r["Metadata"], {"m": "1"}, "metadata")
            eq(r.get("ServerSideEncryption"), "aws:kms", "sse")
        self.run("s3", "PutObject+GetObject", "range, metadata, SSE-KMS", go, ("bucket",))

        f = self.refuse
        f("s3", "HeadBucket", "missing bucket", lambda: s.head_bucket(Bucket=f"nope-{self.sfx}"), ["404"])
        f("s3", "GetBucketPolicy", "none set", lambda: s.get_bucket_policy(Bucket=b5),
          ["NoSuchBucketPolicy"], ("bucket_nopol",))
        f("s3", "GetBucketLifecycleConfiguration", "none set",
          lambda: s.get_bucket_lifecycle_configuration(Bucket=b5), ["NoSuchLifecycleConfiguration"],
          ("bucket_nopol",))
        f("s3", "GetPublicAccessBlock", "after delete",
          lambda: (s.delete_public_access_block(Bucket=b5), s.get_public_access_block(Bucket=b5)),
          ["NoSuchPublicAccessBlockConfiguration"], ("bucket_nopol",))
        f("s3", "PutBucketPolicy", "malformed JSON", lambda: s.put_bucket_policy(Bucket=b5, Policy="{bad"),
          ["MalformedPolicy"], ("bucket_nopol",))
        f("s3", "PutBucketPolicy", "resource of another bucket",
          lambda: s.put_bucket_policy(Bucket=b5, Policy=json.dumps(pol)), ["MalformedPolicy"], ("bucket_nopol",))
        # leave b5 without a policy whatever happened above
        if "bucket_nopol" in x:
            try:
                s.delete_bucket_policy(Bucket=b5)
            except Exception:  # noqa: BLE001
                pass
        f("s3", "PutBucketLifecycleConfiguration", "expiration before transition",
          lambda: s.put_bucket_lifecycle_configuration(Bucket=b5, LifecycleConfiguration={"Rules": [
              {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""},
               "Transitions": [{"Days": 90, "StorageClass": "GLACIER"}], "Expiration": {"Days": 30}}]}),
          ["InvalidArgument", "InvalidRequest"], ("bucket_nopol",))
        f("s3", "PutBucketLifecycleConfiguration", "STANDARD_IA before 30 days",
          lambda: s.put_bucket_lifecycle_configuration(Bucket=b5, LifecycleConfiguration={"Rules": [
              {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""},
               "Transitions": [{"Days": 5, "StorageClass": "STANDARD_IA"}]}]}),
          ["InvalidArgument", "InvalidRequest"], ("bucket_nopol",))
        f("s3", "PutObjectLockConfiguration", "bucket without lock/versioning",
          lambda: s.put_object_lock_configuration(Bucket=b5, ObjectLockConfiguration={
              "ObjectLockEnabled": "Enabled"}), ["InvalidBucketState"], ("bucket_nopol",))
        f("s3", "CreateBucket", "eu-west-1 name owned by you",
          lambda: self.client("s3", "eu-west-1").create_bucket(
              Bucket=b2, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}),
          ["BucketAlreadyOwnedByYou"], ("bucket_eu",))
        f("s3", "PutBucketPolicy", "public policy while BlockPublicPolicy",
          lambda: s.put_bucket_policy(Bucket=b, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
              {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
               "Resource": f"arn:aws:s3:::{b}/*"}]})), ["AccessDenied"], ("bucket",))
        if "bucket" in x:
            try:  # put the good policy back
                s.put_bucket_policy(Bucket=b, Policy=json.dumps(pol))
            except Exception:  # noqa: BLE001
                pass

    # ======================================================================
    def iam_logs(self):
        """IAM role and log group, also what the full trail needs"""
        i = self.client("iam")
        lg = self.client("logs")
        x = self.ctx
        rn = f"ct-role-{self.sfx}"
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        pol = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}]}

        def role():
            r = i.create_role(RoleName=rn, AssumeRolePolicyDocument=json.dumps(trust),
                              Tags=[{"Key": "a", "Value": "b"}])["Role"]
            x["role"] = r["Arn"]
            g = i.get_role(RoleName=rn)["Role"]
            eq(g["AssumeRolePolicyDocument"], trust, "trust")
            eq(tagdict(g.get("Tags")), {"a": "b"}, "tags")
        self.run("iam", "CreateRole+GetRole", "", role)

        def rp():
            i.put_role_policy(RoleName=rn, PolicyName="p", PolicyDocument=json.dumps(pol))
            eq(i.get_role_policy(RoleName=rn, PolicyName="p")["PolicyDocument"], pol, "policy")
        self.run("iam", "PutRolePolicy+GetRolePolicy", "", rp, ("role",))

        def uat():
            i.update_assume_role_policy(RoleName=rn, PolicyDocument=json.dumps(trust))
            i.create_service_linked_role(AWSServiceName="cloudtrail.amazonaws.com")
        self.run("iam", "CreateServiceLinkedRole", "cloudtrail", uat, ("role",))

        g = f"/aws/cloudtrail/{self.sfx}"

        def grp():
            lg.create_log_group(logGroupName=g, tags={"a": "b"})
            lg.put_retention_policy(logGroupName=g, retentionInDays=365)
            d = [q for q in lg.describe_log_groups(logGroupNamePrefix=g)["logGroups"] if q["logGroupName"] == g]
            want(d and d[0].get("retentionInDays") == 365, f"group {d}")
            x["log_group_arn"] = d[0]["arn"] if d[0]["arn"].endswith(":*") else d[0]["arn"] + ":*"
        self.run("logs", "CreateLogGroup+PutRetentionPolicy+Describe", "", grp)

        def mf():
            t = [{"metricName": "RootUse", "metricNamespace": "CT", "metricValue": "1"}]
            lg.put_metric_filter(logGroupName=g, filterName="root",
                                 filterPattern='{ $.userIdentity.type = "Root" }', metricTransformations=t)
            d = lg.describe_metric_filters(logGroupName=g)["metricFilters"]
            want(len(d) == 1 and d[0]["filterPattern"].startswith("{ $.userIdentity"), f"{d}")
            has(d[0]["metricTransformations"][0], "transformation", **t[0])
        self.run("logs", "PutMetricFilter+Describe", "", mf, ("log_group_arn",))

    # ======================================================================
    def cloudtrail(self):
        c = self.client("cloudtrail")
        x = self.ctx
        acct = x["account"]
        full = f"org-trail-{self.sfx}"

        def mk_plain():
            n = f"plain-{self.sfx}"
            r = c.create_trail(Name=n, S3BucketName=x["bucket"])
            x["plain"] = n
            has(r, "response", Name=n, S3BucketName=x["bucket"], IncludeGlobalServiceEvents=True,
                IsMultiRegionTrail=False, LogFileValidationEnabled=False, IsOrganizationTrail=False)
            g = c.get_trail(Name=n)["Trail"]
            has(g, "GetTrail", Name=n, HomeRegion=self.region, LogFileValidationEnabled=False,
                IsOrganizationTrail=False, HasCustomEventSelectors=False, HasInsightSelectors=False,
                TrailARN=f"arn:aws:cloudtrail:{self.region}:{acct}:trail/{n}")
        self.run("cloudtrail", "CreateTrail+GetTrail", "defaults", mk_plain, ("bucket",))

        def one(variant, **kw):
            """CreateTrail with one property, read back by GetTrail, deleted"""
            exp = kw.pop("_expect")

            def go():
                n = f"p-{uuid.uuid4().hex[:8]}"
                r = c.create_trail(Name=n, S3BucketName=x["bucket"], **kw)
                try:
                    has(r, "CreateTrail response", **exp)
                    has(c.get_trail(Name=n)["Trail"], "GetTrail", **exp)
                    has([t for t in c.describe_trails(trailNameList=[n])["trailList"] if t["Name"] == n][0],
                        "DescribeTrails", **exp)
                finally:
                    try:
                        c.delete_trail(Name=n)
                    except Exception:  # noqa: BLE001
                        pass
            self.run("cloudtrail", "CreateTrail", variant, go, ("bucket",))
        one("S3KeyPrefix", S3KeyPrefix="pre", _expect={"S3KeyPrefix": "pre"})
        one("IsMultiRegionTrail", IsMultiRegionTrail=True, _expect={"IsMultiRegionTrail": True})
        one("EnableLogFileValidation", EnableLogFileValidation=True, _expect={"LogFileValidationEnabled": True})
        if "key_arn" in x:
            one("KmsKeyId (arn)", KmsKeyId=x["key_arn"], _expect={"KmsKeyId": x["key_arn"]})
        if "alias" in x:
            one("KmsKeyId (alias → key ARN)", KmsKeyId=x["alias"], _expect={"KmsKeyId": x["key_arn"]})
        if "log_group_arn" in x and "role" in x:
            one("CloudWatchLogs*", CloudWatchLogsLogGroupArn=x["log_group_arn"], CloudWatchLogsRoleArn=x["role"],
                _expect={"CloudWatchLogsLogGroupArn": x["log_group_arn"], "CloudWatchLogsRoleArn": x["role"]})
        if "topic" in x:
            one("SnsTopicName", SnsTopicName=x["topic"].split(":")[-1],
                _expect={"SnsTopicARN": x["topic"]})
        one("IncludeGlobalServiceEvents=false", IncludeGlobalServiceEvents=False,
            _expect={"IncludeGlobalServiceEvents": False})
        if "trusted" in x:
            one("IsOrganizationTrail", IsOrganizationTrail=True, IsMultiRegionTrail=True,
                _expect={"IsOrganizationTrail": True})

        def mk_full():
            kw = dict(Name=full, S3BucketName=x["bucket"], S3KeyPrefix="org", IncludeGlobalServiceEvents=True,
                      IsMultiRegionTrail=True, EnableLogFileValidation=True, IsOrganizationTrail=True,
                      TagsList=[{"Key": "a", "Value": "b"}])
            if "key_arn" in x:
                kw["KmsKeyId"] = x["key_arn"]
            if "log_group_arn" in x and "role" in x:
                kw.update(CloudWatchLogsLogGroupArn=x["log_group_arn"], CloudWatchLogsRoleArn=x["role"])
            r = c.create_trail(**kw)
            x["trail"], x["trail_arn"] = full, r["TrailARN"]
            g = c.get_trail(Name=full)["Trail"]
            exp = {"LogFileValidationEnabled" if k == "EnableLogFileValidation" else k: v
                   for k, v in kw.items() if k != "TagsList"}
            has(g, "GetTrail", **exp)
        self.run("cloudtrail", "CreateTrail+GetTrail", "org,multi-region,KMS,validation,CWL,prefix", mk_full,
                 ("bucket",))
        if "trail" not in x and "plain" in x:
            x["trail"], x["trail_arn"] = x["plain"], f"arn:aws:cloudtrail:{self.region}:{acct}:trail/{x['plain']}"
        t = x.get("trail")

        def orgarn():
            g = c.get_trail(Name=x["trail_arn"])["Trail"]
            eq(g["Name"], t, "by ARN")
            eq(g["TrailARN"], f"arn:aws:cloudtrail:{self.region}:{acct}:trail/{t}", "ARN")
        self.run("cloudtrail", "GetTrail", "by ARN", orgarn, ("trail",))

        def dt():
            r = c.describe_trails()["trailList"]
            want({t, x["plain"]} <= {i["Name"] for i in r}, f"{[i['Name'] for i in r]}")
            r = c.describe_trails(trailNameList=[x["trail_arn"]])["trailList"]
            eq([i["Name"] for i in r], [t], "trailNameList by ARN")
        self.run("cloudtrail", "DescribeTrails", "all; by ARN", dt, ("trail", "plain"))

        def ltr():
            r = [i["TrailARN"] for p in c.get_paginator("list_trails").paginate() for i in p["Trails"]]
            want(x["trail_arn"] in r, f"{r}")
        self.run("cloudtrail", "ListTrails", "", ltr, ("trail",))

        def shadow():
            e = self.client("cloudtrail", "eu-west-1")
            names = [i["Name"] for i in e.describe_trails(includeShadowTrails=True)["trailList"]]
            want(t in names, f"multi-region trail has no shadow in eu-west-1: {names}")
            want(x.get("plain") not in names, "single-region trail shows in eu-west-1")
            names = [i["Name"] for i in e.describe_trails(includeShadowTrails=False)["trailList"]]
            want(t not in names, "shadow shown with includeShadowTrails=false")
            has(e.get_trail(Name=x["trail_arn"])["Trail"], "eu GetTrail by ARN", HomeRegion=self.region)
        self.run("cloudtrail", "DescribeTrails", "shadow trails in another Region", shadow, ("trail",))

        def upd():
            c.update_trail(Name=t, S3KeyPrefix="org2", EnableLogFileValidation=False, IsMultiRegionTrail=False,
                           IncludeGlobalServiceEvents=False)
            has(c.get_trail(Name=t)["Trail"], "after update", S3KeyPrefix="org2", LogFileValidationEnabled=False,
                IsMultiRegionTrail=False, IncludeGlobalServiceEvents=False)
            r = c.update_trail(Name=t, S3KeyPrefix="org3", EnableLogFileValidation=True, IsMultiRegionTrail=True,
                               IncludeGlobalServiceEvents=True)
            has(r, "response", S3KeyPrefix="org3", LogFileValidationEnabled=True, IsMultiRegionTrail=True)
        self.run("cloudtrail", "UpdateTrail", "prefix,validation,multi-region,global", upd, ("trail",))

        def updk():
            c.update_trail(Name=t, KmsKeyId=x["key_arn"], IsOrganizationTrail=False)
            has(c.get_trail(Name=t)["Trail"], "after update", KmsKeyId=x["key_arn"], IsOrganizationTrail=False)
            c.update_trail(Name=t, IsOrganizationTrail=True)
            has(c.get_trail(Name=t)["Trail"], "after 2nd update", KmsKeyId=x["key_arn"], IsOrganizationTrail=True)
            c.update_trail(Name=t, KmsKeyId="")
            want(not c.get_trail(Name=t)["Trail"].get("KmsKeyId"), "KmsKeyId '' does not clear")
            c.update_trail(Name=t, KmsKeyId=x["key_arn"])
        self.run("cloudtrail", "UpdateTrail", "KmsKeyId (set, clear), IsOrganizationTrail", updk, ("trail", "key_arn"))

        def st0():
            r = c.get_trail_status(Name=t)
            eq(r["IsLogging"], False, "IsLogging on a new trail")
        self.run("cloudtrail", "GetTrailStatus", "new trail", st0, ("trail",))

        def st1():
            c.start_logging(Name=t)
            r = c.get_trail_status(Name=t)
            eq(r["IsLogging"], True, "IsLogging")
            want(r.get("StartLoggingTime"), f"no StartLoggingTime: {sorted(r)}")
        self.run("cloudtrail", "StartLogging+GetTrailStatus", "", st1, ("trail",))

        def st2():
            c.stop_logging(Name=t)
            r = c.get_trail_status(Name=t)
            eq(r["IsLogging"], False, "IsLogging")
            want(r.get("StopLoggingTime"), f"no StopLoggingTime: {sorted(r)}")
            c.start_logging(Name=x["trail_arn"])
            eq(c.get_trail_status(Name=x["trail_arn"])["IsLogging"], True, "by ARN")
        self.run("cloudtrail", "StopLogging+GetTrailStatus", "then start by ARN", st2, ("trail",))

        def ges0():
            r = c.get_event_selectors(TrailName=x["plain"])
            es = r.get("EventSelectors") or []
            want(len(es) == 1 and es[0].get("ReadWriteType") == "All" and es[0].get("IncludeManagementEvents"),
                 f"a new trail logs all management events; got {es}")
        self.run("cloudtrail", "GetEventSelectors", "default on a new trail", ges0, ("plain",))

        basic = [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True,
                  "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]},
                                    {"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda"]}],
                  "ExcludeManagementEventSources": ["kms.amazonaws.com", "rdsdata.amazonaws.com"]}]

        def pesb():
            r = c.put_event_selectors(TrailName=t, EventSelectors=basic)
            eq(r.get("EventSelectors"), basic, "response")
            eq(c.get_event_selectors(TrailName=t).get("EventSelectors"), basic, "read back")
            has(c.get_trail(Name=t)["Trail"], "trail", HasCustomEventSelectors=True)
        self.run("cloudtrail", "PutEventSelectors+GetEventSelectors", "basic", pesb, ("trail",))

        adv = [{"Name": "mgmt write", "FieldSelectors": [
                    {"Field": "eventCategory", "Equals": ["Management"]},
                    {"Field": "readOnly", "Equals": ["false"]},
                    {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}]},
               {"Name": "s3 data", "FieldSelectors": [
                    {"Field": "eventCategory", "Equals": ["Data"]},
                    {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                    {"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::a/"],
                     "NotStartsWith": ["arn:aws:s3:::a/tmp/"]},
                    {"Field": "eventName", "EndsWith": ["Object"]}]},
               {"Name": "net", "FieldSelectors": [
                    {"Field": "eventCategory", "Equals": ["NetworkActivity"]},
                    {"Field": "eventSource", "Equals": ["s3.amazonaws.com"]},
                    {"Field": "errorCode", "Equals": ["VpceAccessDenied"]}]}]
        x["adv"] = adv

        def pesa():
            r = c.put_event_selectors(TrailName=t, AdvancedEventSelectors=adv)
            eq(r.get("AdvancedEventSelectors"), adv, "response")
            g = c.get_event_selectors(TrailName=t)
            eq(g.get("AdvancedEventSelectors"), adv, "read back")
            want(not g.get("EventSelectors"), "basic selectors survive advanced ones")
            has(c.get_trail(Name=t)["Trail"], "trail", HasCustomEventSelectors=True)
        self.run("cloudtrail", "PutEventSelectors+GetEventSelectors", "advanced", pesa, ("trail",))

        ins = [{"InsightType": "ApiCallRateInsight"}, {"InsightType": "ApiErrorRateInsight"}]

        def pis():
            c.put_insight_selectors(TrailName=t, InsightSelectors=ins)
            g = c.get_insight_selectors(TrailName=t)
            eq(sorted(i["InsightType"] for i in g["InsightSelectors"]),
               ["ApiCallRateInsight", "ApiErrorRateInsight"], "types")
            has(c.get_trail(Name=t)["Trail"], "trail", HasInsightSelectors=True)
        self.run("cloudtrail", "PutInsightSelectors+GetInsightSelectors", "call rate + error rate", pis, ("trail",))

        ins2 = [{"InsightType": "ApiCallRateInsight", "EventCategories": ["Management", "Data"]},
                {"InsightType": "ApiErrorRateInsight", "EventCategories": ["Data"]}]

        def pis2():
            c.put_insight_selectors(TrailName=t, InsightSelectors=ins2)
            g = sorted(c.get_insight_selectors(TrailName=t)["InsightSelectors"], key=lambda i: i["InsightType"])
            for a, b in zip(g, ins2):
                eq(sorted(a.get("EventCategories") or []), sorted(b["EventCategories"]), "EventCategories")
        self.run("cloudtrail", "PutInsightSelectors+GetInsightSelectors", "EventCategories", pis2, ("trail",))

        def tags():
            tl = c.list_tags(ResourceIdList=[x["trail_arn"]])["ResourceTagList"]
            eq(tl[0]["ResourceId"], x["trail_arn"], "ResourceId")
            eq(tagdict(tl[0]["TagsList"]), {"a": "b"}, "tags given at create")
        self.run("cloudtrail", "ListTags", "TagsList given to CreateTrail", tags, ("trail",))

        def tags2():
            c.add_tags(ResourceId=x["trail_arn"], TagsList=[{"Key": "c", "Value": "d"}, {"Key": "e", "Value": "f"}])
            c.remove_tags(ResourceId=x["trail_arn"], TagsList=[{"Key": "e"}])
            g = tagdict(c.list_tags(ResourceIdList=[x["trail_arn"]])["ResourceTagList"][0]["TagsList"])
            want(g.get("c") == "d" and "e" not in g, f"{g}")
        self.run("cloudtrail", "AddTags+RemoveTags+ListTags", "", tags2, ("trail",))

        def pec_t():
            kw = dict(MaxEventSize="Large")
            c.put_event_configuration(TrailName=t, AggregationConfigurations=[
                {"Templates": ["API_ACTIVITY", "RESOURCE_ACCESS"], "EventCategory": "Data"}])
            g = c.get_event_configuration(TrailName=t)
            a = g.get("AggregationConfigurations") or []
            want(a and sorted(a[0]["Templates"]) == ["API_ACTIVITY", "RESOURCE_ACCESS"], f"{a} {kw}")
        self.run("cloudtrail", "PutEventConfiguration+Get", "trail: aggregation", pec_t, ("trail",))

        # --- event data stores
        eadv = [{"Name": "mgmt", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]

        def ceds():
            kw = dict(Name=f"eds-{self.sfx}", AdvancedEventSelectors=eadv, MultiRegionEnabled=True,
                      OrganizationEnabled=True, RetentionPeriod=365, TerminationProtectionEnabled=True,
                      BillingMode="EXTENDABLE_RETENTION_PRICING")
            if "key_arn" in x:
                kw["KmsKeyId"] = x["key_arn"]
            r = c.create_event_data_store(**kw, TagsList=[{"Key": "a", "Value": "b"}])
            x["eds"] = r["EventDataStoreArn"]
            has(c.get_event_data_store(EventDataStore=x["eds"]), "GetEventDataStore", **kw)
        self.run("cloudtrail", "CreateEventDataStore+Get", "all fields", ceds)

        def edsmin():
            a = c.get_event_data_store(EventDataStore=x["eds"])
            has(a, "eds", Name=f"eds-{self.sfx}", RetentionPeriod=365, OrganizationEnabled=True,
                MultiRegionEnabled=True, TerminationProtectionEnabled=True)
            want(a["Status"] in ("CREATED", "ENABLED"), a["Status"])
        self.run("cloudtrail", "GetEventDataStore", "name, retention, org, protection", edsmin, ("eds",))

        def leds():
            ids = [e["EventDataStoreArn"] for p in c.get_paginator("list_event_data_stores").paginate()
                   for e in p["EventDataStores"]] if c.can_paginate("list_event_data_stores") else \
                [e["EventDataStoreArn"] for e in c.list_event_data_stores()["EventDataStores"]]
            want(x["eds"] in ids, f"{ids}")
        self.run("cloudtrail", "ListEventDataStores", "", leds, ("eds",))

        def edst():
            eq(tagdict(c.list_tags(ResourceIdList=[x["eds"]])["ResourceTagList"][0]["TagsList"]), {"a": "b"}, "tags")
        self.run("cloudtrail", "ListTags", "event data store", edst, ("eds",))

        def ueds():
            c.update_event_data_store(EventDataStore=x["eds"], RetentionPeriod=730, AdvancedEventSelectors=adv[:2],
                                      BillingMode="EXTENDABLE_RETENTION_PRICING", Name=f"eds2-{self.sfx}")
            has(c.get_event_data_store(EventDataStore=x["eds"]), "eds", RetentionPeriod=730,
                AdvancedEventSelectors=adv[:2], Name=f"eds2-{self.sfx}")
        self.run("cloudtrail", "UpdateEventDataStore", "retention, selectors, name", ueds, ("eds",))

        def pec_e():
            cks = [{"Type": "TagContext", "Equals": ["env", "team"]},
                   {"Type": "RequestContext", "Equals": ["aws:PrincipalOrgID"]}]
            c.put_event_configuration(EventDataStore=x["eds"], MaxEventSize="Large", ContextKeySelectors=cks)
            g = c.get_event_configuration(EventDataStore=x["eds"])
            eq(g.get("MaxEventSize"), "Large", "MaxEventSize")
            eq(g.get("ContextKeySelectors"), cks, "ContextKeySelectors")
        self.run("cloudtrail", "PutEventConfiguration+Get", "EDS: context keys, size", pec_e, ("eds",))

        def ing():
            c.stop_event_data_store_ingestion(EventDataStore=x["eds"])
            eq(c.get_event_data_store(EventDataStore=x["eds"])["Status"], "STOPPED_INGESTION", "status")
            c.start_event_data_store_ingestion(EventDataStore=x["eds"])
            eq(c.get_event_data_store(EventDataStore=x["eds"])["Status"], "ENABLED", "status")
        self.run("cloudtrail", "Stop/StartEventDataStoreIngestion", "", ing, ("eds",))

        def q():
            eid = x["eds"].split("/")[-1]
            r = c.start_query(QueryStatement=f"SELECT eventName, count(*) AS n FROM {eid} GROUP BY eventName")
            x["query"] = r["QueryId"]
            for _ in range(20):
                d = c.describe_query(QueryId=x["query"])
                if d["QueryStatus"] in ("FINISHED", "FAILED", "CANCELLED", "TIMED_OUT"):
                    break
                time.sleep(0.3)
            eq(d["QueryStatus"], "FINISHED", "status")
        self.run("cloudtrail", "StartQuery+DescribeQuery", "", q, ("eds",))

        def qr():
            r = c.get_query_results(QueryId=x["query"])
            eq(r["QueryStatus"], "FINISHED", "status")
            x["query_rows"] = len(r.get("QueryResultRows") or [])
        self.run("cloudtrail", "GetQueryResults", "", qr, ("query",))

        def lq():
            want(x["query"] in [i["QueryId"] for i in c.list_queries(EventDataStore=x["eds"])["Queries"]], "not listed")
        self.run("cloudtrail", "ListQueries", "", lq, ("query",))

        def fed():
            c.enable_federation(EventDataStore=x["eds"], FederationRoleArn=x.get("role", "arn:aws:iam::1:role/x"))
            g = c.get_event_data_store(EventDataStore=x["eds"])
            want(g.get("FederationStatus") in ("ENABLED", "ENABLING"), f"{g.get('FederationStatus')}")
            c.disable_federation(EventDataStore=x["eds"])
        self.run("cloudtrail", "EnableFederation+DisableFederation", "", fed, ("eds",))

        def rp():
            p = json.dumps({"Version": "2012-10-17", "Statement": [
                {"Sid": "s", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{acct}:root"},
                 "Action": "cloudtrail:StartQuery", "Resource": x["eds"]}]})
            c.put_resource_policy(ResourceArn=x["eds"], ResourcePolicy=p)
            eq(json.loads(c.get_resource_policy(ResourceArn=x["eds"])["ResourcePolicy"]), json.loads(p), "policy")
            c.delete_resource_policy(ResourceArn=x["eds"])
        self.run("cloudtrail", "Put/Get/DeleteResourcePolicy", "", rp, ("eds",))

        def chan():
            r = c.create_channel(Name=f"ch-{self.sfx}", Source="Custom",
                                 Destinations=[{"Type": "EVENT_DATA_STORE", "Location": x["eds"]}])
            g = c.get_channel(Channel=r["ChannelArn"])
            has(g, "channel", Name=f"ch-{self.sfx}", Source="Custom")
            want(r["ChannelArn"] in [i["ChannelArn"] for i in c.list_channels()["Channels"]], "not listed")
            c.delete_channel(Channel=r["ChannelArn"])
        self.run("cloudtrail", "Create/Get/List/DeleteChannel", "", chan, ("eds",))

        def dash():
            r = c.create_dashboard(Name=f"d-{self.sfx}", Widgets=[
                {"QueryStatement": f"SELECT * FROM {x['eds'].split('/')[-1]}", "ViewProperties": {"Height": "2"}}],
                TerminationProtectionEnabled=False)
            g = c.get_dashboard(DashboardId=r["DashboardArn"])
            eq(len(g["Widgets"]), 1, "widgets")
            want(r["DashboardArn"] in [i["DashboardArn"] for i in c.list_dashboards()["Dashboards"]], "not listed")
            c.delete_dashboard(DashboardId=r["DashboardArn"])
        self.run("cloudtrail", "Create/Get/List/DeleteDashboard", "", dash, ("eds",))

        self.refuse("cloudtrail", "DeleteEventDataStore", "termination protection on",
                    lambda: c.delete_event_data_store(EventDataStore=x["eds"]),
                    ["EventDataStoreTerminationProtectedException"], ("eds",))

        def deds():
            c.update_event_data_store(EventDataStore=x["eds"], TerminationProtectionEnabled=False)
            c.delete_event_data_store(EventDataStore=x["eds"])
            eq(c.get_event_data_store(EventDataStore=x["eds"])["Status"], "PENDING_DELETION", "status")
            x["eds_deleted"] = True
        self.run("cloudtrail", "DeleteEventDataStore", "PENDING_DELETION after", deds, ("eds",))

        def reds():
            c.restore_event_data_store(EventDataStore=x["eds"])
            want(c.get_event_data_store(EventDataStore=x["eds"])["Status"] in ("ENABLED", "STOPPED_INGESTION"), "status")
        self.run("cloudtrail", "RestoreEventDataStore", "", reds, ("eds",))

        def edspag():
            for i in range(2):
                c.create_event_data_store(Name=f"pg{i}-{self.sfx}", TerminationProtectionEnabled=False)
            r = c.list_event_data_stores(MaxResults=1)
            want(len(r["EventDataStores"]) == 1 and r.get("NextToken"),
                 f"MaxResults=1 gave {len(r['EventDataStores'])}, NextToken={r.get('NextToken')!r}")
        self.run("cloudtrail", "ListEventDataStores", "pagination", edspag, ("eds",))

        def reg():
            c.register_organization_delegated_admin(MemberAccountId=x["member2"])
            r = [a["Id"] for a in self.client("organizations").list_delegated_administrators(
                ServicePrincipal="cloudtrail.amazonaws.com")["DelegatedAdministrators"]]
            x["ctda"] = True
            want(x["member2"] in r, f"Organizations does not show it: {r}")
        self.run("cloudtrail", "RegisterOrganizationDelegatedAdmin", "visible in Organizations", reg, ("member2",))

        def dereg():
            c.deregister_organization_delegated_admin(DelegatedAdminAccountId=x["member2"])
            r = [a["Id"] for a in self.client("organizations").list_delegated_administrators(
                ServicePrincipal="cloudtrail.amazonaws.com")["DelegatedAdministrators"]]
            want(x["member2"] not in r, "still there")
        self.run("cloudtrail", "DeregisterOrganizationDelegatedAdmin", "", dereg, ("member2",))

        def look():
            r = c.lookup_events(MaxResults=10)
            want("Events" in r, f"{r}")
            x["lookup_n"] = len(r["Events"])
        self.run("cloudtrail", "LookupEvents", "answers", look)

        def look2():
            r = c.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateTrail"}],
                                StartTime=datetime.now(timezone.utc) - timedelta(hours=1))
            want(r.get("Events"), "no recorded CreateTrail event")
            want(r["Events"][0]["EventName"] == "CreateTrail", "wrong event")
            json.loads(r["Events"][0]["CloudTrailEvent"])
        self.run("cloudtrail", "LookupEvents", "shows the calls made here", look2)

        def limd():
            r = c.list_insights_metric_data(EventSource="s3.amazonaws.com", EventName="PutObject",
                                            InsightType="ApiCallRateInsight", Period=300,
                                            StartTime=datetime.now(timezone.utc) - timedelta(days=1),
                                            EndTime=datetime.now(timezone.utc))
            has(r, "echo", EventSource="s3.amazonaws.com", EventName="PutObject", InsightType="ApiCallRateInsight")
        self.run("cloudtrail", "ListInsightsMetricData", "answers", limd)

        def lid():
            r = c.list_insights_data(InsightSource=x["trail_arn"], DataType="InsightsEvents")
            want("Events" in r, f"{r}")
        self.run("cloudtrail", "ListInsightsData", "answers", lid, ("trail",))

        def lpk():
            r = c.list_public_keys()
            want("PublicKeyList" in r, f"{r}")
            x["public_keys"] = len(r["PublicKeyList"])
        self.run("cloudtrail", "ListPublicKeys", "answers", lpk)

        def deliv():
            s = self.client("s3")
            end = time.time() + self.args.delivery_wait
            while True:
                r = s.list_objects_v2(Bucket=x["bucket"])
                k = [o["Key"] for o in r.get("Contents", []) if "CloudTrail" in o["Key"] and o["Key"].startswith("org")]
                if k:
                    return
                if time.time() > end:
                    raise Wrong("no log file delivered to the bucket")
                time.sleep(0.5)
        self.run("cloudtrail", "(log delivery to S3)", f"within {self.args.delivery_wait} s", deliv, ("trail",))

        def dele():
            n = f"del-{self.sfx}"
            c.create_trail(Name=n, S3BucketName=x["bucket"])
            c.delete_trail(Name=n)
            try:
                c.get_trail(Name=n)
            except ClientError as e:
                eq(e.response["Error"]["Code"], "TrailNotFoundException", "code")
            else:
                raise Wrong("still there")
        self.run("cloudtrail", "DeleteTrail", "", dele, ("bucket",))

        def delarn():
            n = f"dela-{self.sfx}"
            a = c.create_trail(Name=n, S3BucketName=x["bucket"])["TrailARN"]
            c.delete_trail(Name=a)
            want(n not in [i["Name"] for i in c.describe_trails()["trailList"]], "still there")
        self.run("cloudtrail", "DeleteTrail", "by ARN", delarn, ("bucket",))

    # ======================================================================
    def cloudtrail_refusals_before_access(self):
        c = self.client("cloudtrail")
        x = self.ctx
        n = f"early-{self.sfx}"

        def go():
            r = c.create_trail(Name=n, S3BucketName=x["bucket"], IsOrganizationTrail=True, IsMultiRegionTrail=True)
            c.delete_trail(Name=n)
            return r
        self.refuse("cloudtrail", "CreateTrail", "org trail, trusted access off", go,
                    ["CloudTrailAccessNotEnabledException"], ("bucket", "org"))

    def cloudtrail_no_org(self):
        c = self.client("cloudtrail")
        x = self.ctx
        if x.get("org_preexisting"):
            self.rec("fidelity:cloudtrail", "CreateTrail", "org trail, no organization", "skipped", "org pre-exists")
            return
        n = f"noorg-{self.sfx}"

        def go():
            c.create_trail(Name=n, S3BucketName=x["bucket"], IsOrganizationTrail=True, IsMultiRegionTrail=True)
            c.delete_trail(Name=n)
        self.refuse("cloudtrail", "CreateTrail", "org trail, no organization", go,
                    ["OrganizationsNotInUseException", "AWSOrganizationsNotInUseException",
                     "CloudTrailAccessNotEnabledException"], ("bucket",))

    def cloudtrail_refusals(self):
        c = self.client("cloudtrail")
        x = self.ctx
        f = self.refuse

        def mk(**kw):
            n = kw.pop("Name", f"r-{uuid.uuid4().hex[:8]}")

            def go():
                c.create_trail(Name=n, **kw)
                try:
                    c.delete_trail(Name=n)
                except Exception:  # noqa: BLE001
                    pass
            return go
        b = x.get("bucket", "b")
        f("cloudtrail", "CreateTrail", "bucket does not exist", mk(S3BucketName=f"missing-{self.sfx}"),
          ["S3BucketDoesNotExistException"])
        f("cloudtrail", "CreateTrail", "bucket without a CloudTrail policy",
          mk(S3BucketName=x.get("bucket_nopol", "b")), ["InsufficientS3BucketPolicyException"], ("bucket_nopol",))
        f("cloudtrail", "CreateTrail", "KMS key policy without CloudTrail",
          mk(S3BucketName=b, KmsKeyId=x.get("key2_arn", "k")),
          ["InsufficientEncryptionPolicyException"], ("bucket", "key2_arn"))
        f("cloudtrail", "CreateTrail", "KMS key does not exist",
          mk(S3BucketName=b, KmsKeyId=f"arn:aws:kms:{self.region}:{x['account']}:key/{uuid.uuid4()}"),
          ["KmsKeyNotFoundException", "InsufficientEncryptionPolicyException"], ("bucket",))
        f("cloudtrail", "CreateTrail", "invalid name 'a'", mk(S3BucketName=b, Name="a"),
          ["InvalidTrailNameException"], ("bucket",))
        f("cloudtrail", "CreateTrail", "invalid name with space", mk(S3BucketName=b, Name="my trail"),
          ["InvalidTrailNameException"], ("bucket",))
        f("cloudtrail", "CreateTrail", "duplicate name",
          lambda: c.create_trail(Name=x["trail"], S3BucketName=b), ["TrailAlreadyExistsException"], ("trail", "bucket"))
        f("cloudtrail", "CreateTrail", "multi-region without global events",
          mk(S3BucketName=b, IsMultiRegionTrail=True, IncludeGlobalServiceEvents=False),
          ["InvalidParameterCombinationException"], ("bucket",))
        f("cloudtrail", "CreateTrail", "log group without role",
          mk(S3BucketName=b, CloudWatchLogsLogGroupArn=x.get("log_group_arn", "x")),
          ["InvalidCloudWatchLogsRoleArnException", "InvalidParameterCombinationException"], ("bucket", "log_group_arn"))
        f("cloudtrail", "CreateTrail", "log group does not exist",
          mk(S3BucketName=b, CloudWatchLogsRoleArn=x.get("role", "x"),
             CloudWatchLogsLogGroupArn=f"arn:aws:logs:{self.region}:{x['account']}:log-group:nope-{self.sfx}:*"),
          ["InvalidCloudWatchLogsLogGroupArnException"], ("bucket", "role"))
        f("cloudtrail", "CreateTrail", "SNS topic does not exist", mk(S3BucketName=b, SnsTopicName=f"nope-{self.sfx}"),
          ["InvalidSnsTopicNameException", "InsufficientSnsTopicPolicyException"], ("bucket",))

        def six():
            made = []
            try:
                for i in range(7):
                    n = f"six{i}-{self.sfx}"
                    c.create_trail(Name=n, S3BucketName=b)
                    made.append(n)
            finally:
                for n in made:
                    c.delete_trail(Name=n)
        f("cloudtrail", "CreateTrail", "more than 5 trails in a Region", six,
          ["MaximumNumberOfTrailsExceededException"], ("bucket",))
        f("cloudtrail", "GetTrail", "unknown trail", lambda: c.get_trail(Name=f"nope-{self.sfx}"),
          ["TrailNotFoundException"])
        f("cloudtrail", "UpdateTrail", "from another Region",
          lambda: self.client("cloudtrail", "eu-west-1").update_trail(Name=x["trail_arn"], S3KeyPrefix="zz"),
          ["InvalidHomeRegionException"], ("trail",))
        f("cloudtrail", "PutEventSelectors", "advanced: unknown field",
          lambda: c.put_event_selectors(TrailName=x["trail"], AdvancedEventSelectors=[
              {"Name": "x", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]},
                                               {"Field": "bogusField", "Equals": ["y"]}]}]),
          ["InvalidEventSelectorsException"], ("trail",))
        f("cloudtrail", "PutEventSelectors", "advanced: no eventCategory",
          lambda: c.put_event_selectors(TrailName=x["trail"], AdvancedEventSelectors=[
              {"Name": "x", "FieldSelectors": [{"Field": "readOnly", "Equals": ["true"]}]}]),
          ["InvalidEventSelectorsException"], ("trail",))
        f("cloudtrail", "PutEventSelectors", "basic: bad data resource type",
          lambda: c.put_event_selectors(TrailName=x["trail"], EventSelectors=[
              {"ReadWriteType": "All", "IncludeManagementEvents": True,
               "DataResources": [{"Type": "AWS::Nope::Thing", "Values": ["arn:aws:s3"]}]}]),
          ["InvalidEventSelectorsException"], ("trail",))
        f("cloudtrail", "PutEventSelectors", "basic: 6 selectors",
          lambda: c.put_event_selectors(TrailName=x["trail"], EventSelectors=[
              {"ReadWriteType": "All", "IncludeManagementEvents": True}] * 6),
          ["InvalidEventSelectorsException"], ("trail",))
        f("cloudtrail", "GetInsightSelectors", "none configured",
          lambda: c.get_insight_selectors(TrailName=x["plain"]), ["InsightNotEnabledException"], ("plain",))
        f("cloudtrail", "PutInsightSelectors", "unknown insight type",
          lambda: c.put_insight_selectors(TrailName=x["trail"], InsightSelectors=[{"InsightType": "Bogus"}]),
          ["InvalidInsightSelectorsException"], ("trail",))
        f("cloudtrail", "CreateEventDataStore", "RetentionPeriod 9999",
          lambda: c.create_event_data_store(Name=f"bad-{self.sfx}", RetentionPeriod=9999),
          ["InvalidParameterException", "ValidationException"])
        f("cloudtrail", "CreateEventDataStore", "duplicate name",
          lambda: [c.create_event_data_store(Name=f"dup-{self.sfx}", TerminationProtectionEnabled=False)
                   for _ in range(2)], ["EventDataStoreAlreadyExistsException"])
        f("cloudtrail", "GetEventDataStore", "unknown",
          lambda: c.get_event_data_store(EventDataStore=f"arn:aws:cloudtrail:{self.region}:{x['account']}:"
                                                        f"eventdatastore/{uuid.uuid4()}"),
          ["EventDataStoreNotFoundException"])
        f("cloudtrail", "StartQuery", "broken SQL", lambda: c.start_query(QueryStatement="SELEKT nothing"),
          ["InvalidQueryStatementException"])
        f("cloudtrail", "AddTags", "unknown trail",
          lambda: c.add_tags(ResourceId=f"arn:aws:cloudtrail:{self.region}:{x['account']}:trail/nope-{self.sfx}",
                             TagsList=[{"Key": "a", "Value": "b"}]),
          ["ResourceNotFoundException", "TrailNotFoundException"])
        o = self.client("organizations")
        f("organizations", "EnableAWSServiceAccess", "not a service principal",
          lambda: o.enable_aws_service_access(ServicePrincipal="bogus.example.com"), ["InvalidInputException"], ("org",))
        f("organizations", "RegisterDelegatedAdministrator", "unknown account",
          lambda: o.register_delegated_administrator(AccountId="999999999990",
                                                     ServicePrincipal="cloudtrail.amazonaws.com"),
          ["AccountNotFoundException"], ("org",))
        f("organizations", "CreatePolicy", "malformed content",
          lambda: o.create_policy(Name=f"bad-{self.sfx}", Description="", Type="SERVICE_CONTROL_POLICY", Content="{x"),
          ["MalformedPolicyDocumentException"], ("org",))
        f("organizations", "CreatePolicy", "SCP without Effect/Action",
          lambda: o.create_policy(Name=f"bad2-{self.sfx}", Description="", Type="SERVICE_CONTROL_POLICY",
                                  Content=json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "x"}]})),
          ["MalformedPolicyDocumentException"], ("org",))

    # ======================================================================
    def multi_account(self):
        x = self.ctx
        sts = self.client("sts")

        def ar():
            # the root user cannot assume a role in real AWS, so as an IAM user
            i = self.client("iam")
            n = f"admin-{self.sfx}"
            i.create_user(UserName=n)
            i.put_user_policy(UserName=n, PolicyName="p", PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
            k = i.create_access_key(UserName=n)["AccessKey"]
            sts = self.client("sts", creds=(k["AccessKeyId"], k["SecretAccessKey"], None))
            arn = f"arn:aws:iam::{x['member']}:role/OrganizationAccountAccessRole"
            missing = False
            try:
                r = sts.assume_role(RoleArn=arn, RoleSessionName="probe", DurationSeconds=900)
            except ClientError as e:
                if e.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException"):
                    raise
                # real AWS makes this role with the account; fakecloud does not, and has a back door
                rq = urllib.request.Request(
                    self.args.endpoint.rstrip("/") + "/_fakecloud/iam/create-admin", method="POST",
                    data=json.dumps({"accountId": x["member"], "userName": "boot"}).encode(),
                    headers={"Content-Type": "application/json"})
                try:
                    a = json.load(urllib.request.urlopen(rq, timeout=5))
                except OSError:
                    raise e from None
                mi = self.client("iam", creds=(a["accessKeyId"], a["secretAccessKey"], None))
                mi.create_role(RoleName="OrganizationAccountAccessRole", AssumeRolePolicyDocument=json.dumps(
                    {"Version": "2012-10-17", "Statement": [
                        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{x['account']}:root"},
                         "Action": "sts:AssumeRole"}]}))
                mi.put_role_policy(RoleName="OrganizationAccountAccessRole", PolicyName="p", PolicyDocument=json.dumps(
                    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
                r = sts.assume_role(RoleArn=arn, RoleSessionName="probe", DurationSeconds=900)
                missing = True
            k = r["Credentials"]
            x["mcreds"] = (k["AccessKeyId"], k["SecretAccessKey"], k["SessionToken"])
            want(f":{x['member']}:" in r["AssumedRoleUser"]["Arn"], r["AssumedRoleUser"]["Arn"])
            want(not missing, "CreateAccount did not make OrganizationAccountAccessRole (made it by a back door)")
        self.run("multi-account", "AssumeRole", "into a member account", ar, ("member",))

        def who():
            eq(self.client("sts", creds=x["mcreds"]).get_caller_identity()["Account"], x["member"], "account")
        self.run("multi-account", "GetCallerIdentity", "with assumed credentials", who, ("mcreds",))

        def per(svc, op, make, seen):
            def go():
                ident = make(x["mcreds"])
                want(x["member"] in ident, f"{ident} is not in account {x['member']}")
                want(not seen(None, ident), "also visible in the management account")
                want(seen(x["mcreds"], ident), "not visible in the member account")
            self.run("multi-account", op, "state per account", go, ("mcreds",))

        def sns_make(k):
            return self.client("sns", creds=k).create_topic(Name=f"ma-{self.sfx}")["TopicArn"]

        def sns_seen(k, a):
            return a in [t["TopicArn"] for p in self.client("sns", creds=k).get_paginator("list_topics").paginate()
                         for t in p["Topics"]]
        per("sns", "sns", sns_make, sns_seen)

        def kms_make(k):
            return self.client("kms", creds=k).create_key()["KeyMetadata"]["Arn"]

        def kms_seen(k, a):
            return a in [t["KeyArn"] for p in self.client("kms", creds=k).get_paginator("list_keys").paginate()
                         for t in p["Keys"]]
        per("kms", "kms", kms_make, kms_seen)

        def ev_make(k):
            return self.client("events", creds=k).put_rule(
                Name=f"ma-{self.sfx}", EventPattern='{"source":["aws.s3"]}')["RuleArn"]

        def ev_seen(k, a):
            return a in [r["Arn"] for r in self.client("events", creds=k).list_rules()["Rules"]]
        per("events", "events", ev_make, ev_seen)

        def iam_make(k):
            return self.client("iam", creds=k).create_role(
                RoleName=f"ma-{self.sfx}", AssumeRolePolicyDocument='{"Version":"2012-10-17","Statement":[]}'
            )["Role"]["Arn"]

        def iam_seen(k, a):
            return a in [r["Arn"] for p in self.client("iam", creds=k).get_paginator("list_roles").paginate()
                         for r in p["Roles"]]
        per("iam", "iam", iam_make, iam_seen)

        def ct():
            mb = f"ct-member-{self.sfx}"
            s = self.client("s3", creds=x["mcreds"])
            s.create_bucket(Bucket=mb)
            s.put_bucket_policy(Bucket=mb, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
                 "Action": "s3:GetBucketAcl", "Resource": f"arn:aws:s3:::{mb}"},
                {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
                 "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{mb}/*",
                 "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}}]}))
            m = self.client("cloudtrail", creds=x["mcreds"])
            a = m.create_trail(Name=f"member-{self.sfx}", S3BucketName=mb)["TrailARN"]
            want(x["member"] in a, f"{a} is not in account {x['member']}")
            names = [t["Name"] for t in self.client("cloudtrail").describe_trails()["trailList"]]
            want(f"member-{self.sfx}" not in names, "also visible in the management account")
        self.run("multi-account", "cloudtrail", "state per account", ct, ("mcreds",))

        def s3own():
            b = f"ma-{self.sfx}"
            self.client("s3", creds=x["mcreds"]).create_bucket(Bucket=b)
            names = [i["Name"] for i in self.client("s3").list_buckets()["Buckets"]]
            want(b not in names, "member's bucket in the management account's ListBuckets")
        self.run("multi-account", "s3", "ListBuckets per account", s3own, ("mcreds",))

        self.refuse("s3", "CreateBucket", "name taken by another account",
                    lambda: self.client("s3", creds=x["mcreds"]).create_bucket(Bucket=x["bucket"]),
                    ["BucketAlreadyExists"], ("mcreds", "bucket"))

        def orgshadow():
            r = self.client("cloudtrail", creds=x["mcreds"]).describe_trails()["trailList"]
            a = [t for t in r if t.get("TrailARN") == x["trail_arn"]]
            want(a, f"organization trail is not visible in the member account ({[t['Name'] for t in r]})")
            has(a[0], "trail", IsOrganizationTrail=True)
        self.run("multi-account", "cloudtrail", "org trail visible in member account", orgshadow, ("mcreds", "trail"))

        def orgdesc():
            r = self.client("organizations", creds=x["mcreds"]).describe_organization()["Organization"]
            has(r, "org", Id=x["org_id"], MasterAccountId=x["account"])
        self.run("multi-account", "organizations", "DescribeOrganization from member", orgdesc, ("mcreds", "org_id"))

        self.refuse("cloudtrail", "CreateTrail", "org trail from a member account",
                    lambda: self.client("cloudtrail", creds=x["mcreds"]).create_trail(
                        Name=f"om-{self.sfx}", S3BucketName=x["bucket"], IsOrganizationTrail=True,
                        IsMultiRegionTrail=True),
                    ["NotOrganizationMasterAccountException", "NotOrganizationManagementAccountException",
                     "InsufficientDependencyServiceAccessPermissionException"], ("mcreds", "bucket"))
        self.refuse("cloudtrail", "DeleteTrail", "org trail, from a member account",
                    lambda: self.client("cloudtrail", creds=x["mcreds"]).delete_trail(Name=x["trail_arn"]),
                    ["NotOrganizationMasterAccountException", "CloudTrailARNInvalidException",
                     "InsufficientDependencyServiceAccessPermissionException", "AccessDeniedException",
                     "TrailNotFoundException"], ("mcreds", "trail"))
        self.refuse("organizations", "ListAccounts", "from a plain member account",
                    lambda: self.client("organizations", creds=x["mcreds"]).list_accounts(),
                    ["AccessDeniedException"], ("mcreds",))
        self.refuse("sts", "AssumeRole", "role that does not exist in that account",
                    lambda: sts.assume_role(RoleArn=f"arn:aws:iam::{x['member']}:role/NoSuchRole",
                                            RoleSessionName="probe"), ["AccessDenied"], ("member",))

    def iam_enforcement(self):
        x = self.ctx
        i = self.client("iam")

        def mkuser(doc):
            n = f"u-{uuid.uuid4().hex[:6]}"
            i.create_user(UserName=n)
            i.put_user_policy(UserName=n, PolicyName="p", PolicyDocument=json.dumps(doc))
            k = i.create_access_key(UserName=n)["AccessKey"]
            return (k["AccessKeyId"], k["SecretAccessKey"], None)
        deny = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "cloudtrail:*", "Resource": "*"}]}
        self.refuse("iam", "DescribeTrails", "identity policy denies it",
                    lambda: self.client("cloudtrail", creds=mkuser(deny)).describe_trails(), ["AccessDeniedException"])
        self.refuse("iam", "GetCallerIdentity", "unknown access key",
                    lambda: self.client("sts", creds=("AKIA0000000000NOKEY0", "x", None)).get_caller_identity(),
                    ["InvalidClientTokenId"])

        def bpdeny():
            s = self.client("s3")
            b = f"deny-{self.sfx}"
            s.create_bucket(Bucket=b)
            k = mkuser({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
            s.put_bucket_policy(Bucket=b, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
                {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{b}/*"}]}))
            self.client("s3", creds=k).put_object(Bucket=b, Key="k", Body=b"1")
        self.refuse("iam", "PutObject", "bucket policy denies it", bpdeny, ["AccessDenied"])

    # ======================================================================
    def sns_sqs(self):
        n = self.client("sns")
        q = self.client("sqs")
        x = self.ctx

        def topic():
            a = n.create_topic(Name=f"trail-{self.sfx}", Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
            x["topic"] = a
            p = {"Version": "2012-10-17", "Statement": [
                {"Sid": "ct", "Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"},
                 "Action": "SNS:Publish", "Resource": a}]}
            n.set_topic_attributes(TopicArn=a, AttributeName="Policy", AttributeValue=json.dumps(p))
            eq(json.loads(n.get_topic_attributes(TopicArn=a)["Attributes"]["Policy"]), p, "policy")
            eq(tagdict(n.list_tags_for_resource(ResourceArn=a)["Tags"]), {"a": "b"}, "tags")
        self.run("sns", "CreateTopic+Set/GetTopicAttributes", "Policy, tags", topic)

        def queue():
            u = q.create_queue(QueueName=f"q-{self.sfx}", Attributes={"VisibilityTimeout": "45"},
                               tags={"a": "b"})["QueueUrl"]
            at = q.get_queue_attributes(QueueUrl=u, AttributeNames=["All"])["Attributes"]
            eq(at["VisibilityTimeout"], "45", "VisibilityTimeout")
            x["queue"], x["queue_arn"] = u, at["QueueArn"]
            p = json.dumps({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": at["QueueArn"]}]})
            q.set_queue_attributes(QueueUrl=u, Attributes={"Policy": p})
            eq(json.loads(q.get_queue_attributes(QueueUrl=u, AttributeNames=["Policy"])["Attributes"]["Policy"]),
               json.loads(p), "policy")
        self.run("sqs", "CreateQueue+Get/SetQueueAttributes", "Policy", queue)

        def sub():
            s = n.subscribe(TopicArn=x["topic"], Protocol="sqs", Endpoint=x["queue_arn"],
                            ReturnSubscriptionArn=True, Attributes={"RawMessageDelivery": "true"})["SubscriptionArn"]
            want(s in [i["SubscriptionArn"] for i in n.list_subscriptions_by_topic(
                TopicArn=x["topic"])["Subscriptions"]], "not listed")
            x["sub"] = s
        self.run("sns", "Subscribe+ListSubscriptionsByTopic", "sqs", sub, ("topic", "queue"))

        def pub():
            n.publish(TopicArn=x["topic"], Message="hello")
            for _ in range(10):
                m = q.receive_message(QueueUrl=x["queue"], WaitTimeSeconds=1).get("Messages", [])
                if m:
                    eq(m[0]["Body"], "hello", "body")
                    q.delete_message(QueueUrl=x["queue"], ReceiptHandle=m[0]["ReceiptHandle"])
                    return
            raise Wrong("not delivered to the queue")
        self.run("sns", "Publish", "delivered to SQS, raw", pub, ("sub",))

    def events(self):
        e = self.client("events")
        x = self.ctx
        r = f"rule-{self.sfx}"
        pat = {"source": ["aws.cloudtrail"], "detail-type": ["AWS API Call via CloudTrail"],
               "detail": {"eventSource": ["cloudtrail.amazonaws.com"],
                          "eventName": ["StopLogging", "DeleteTrail", {"prefix": "Update"}]}}

        def pr():
            a = e.put_rule(Name=r, EventPattern=json.dumps(pat), State="ENABLED", Description="d",
                           Tags=[{"Key": "a", "Value": "b"}])["RuleArn"]
            x["rule"] = a
            d = e.describe_rule(Name=r)
            eq(json.loads(d["EventPattern"]), pat, "pattern")
            has(d, "rule", State="ENABLED", Description="d", Arn=a)
        self.run("events", "PutRule+DescribeRule", "EventPattern", pr)

        def prm():
            e.put_rule(Name=r, EventPattern=json.dumps(pat), State="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
            eq(e.describe_rule(Name=r)["State"], "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", "state")
        self.run("events", "PutRule", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", prm, ("rule",))

        def tg():
            eq(tagdict(e.list_tags_for_resource(ResourceARN=x["rule"])["Tags"]), {"a": "b"}, "tags at create")
            e.tag_resource(ResourceARN=x["rule"], Tags=[{"Key": "c", "Value": "d"}])
            e.untag_resource(ResourceARN=x["rule"], TagKeys=["a"])
            eq(tagdict(e.list_tags_for_resource(ResourceARN=x["rule"])["Tags"]), {"c": "d"}, "tags")
        self.run("events", "TagResource+Untag+ListTagsForResource", "", tg, ("rule",))

        def pt():
            t = [{"Id": "q", "Arn": x.get("queue_arn", "arn:aws:sqs:us-east-1:1:q"), "InputTransformer": {
                "InputPathsMap": {"n": "$.detail.eventName"}, "InputTemplate": '{"n": <n>}'}}]
            rr = e.put_targets(Rule=r, Targets=t)
            x["targets"] = True
            eq(rr["FailedEntryCount"], 0, "failed")
            eq(e.list_targets_by_rule(Rule=r)["Targets"], t, "targets")
        self.run("events", "PutTargets+ListTargetsByRule", "InputTransformer", pt, ("rule",))

        def lr():
            want(r in [i["Name"] for i in e.list_rules(NamePrefix="rule-")["Rules"]], "not listed")
            want(r in e.list_rule_names_by_target(TargetArn=x["queue_arn"])["RuleNames"], "by target")
        self.run("events", "ListRules+ListRuleNamesByTarget", "", lr, ("targets",))

        def pg():
            e.put_rule(Name=r + "b", EventPattern=json.dumps(pat))
            p1 = e.list_rules(Limit=1)
            want(len(p1["Rules"]) == 1 and p1.get("NextToken"), f"Limit=1 gave {len(p1['Rules'])}")
        self.run("events", "ListRules", "pagination", pg, ("rule",))

        ev = {"id": "1", "account": x["account"], "source": "aws.cloudtrail", "time": "2026-01-01T00:00:00Z",
              "region": "us-east-1", "resources": [], "detail-type": "AWS API Call via CloudTrail",
              "detail": {"eventSource": "cloudtrail.amazonaws.com", "eventName": "StopLogging"}}

        def tep():
            eq(e.test_event_pattern(EventPattern=json.dumps(pat), Event=json.dumps(ev))["Result"], True, "match")
            ev2 = json.loads(json.dumps(ev))
            ev2["detail"]["eventName"] = "UpdateTrail"
            eq(e.test_event_pattern(EventPattern=json.dumps(pat), Event=json.dumps(ev2))["Result"], True, "prefix")
            ev2["detail"]["eventName"] = "GetTrail"
            eq(e.test_event_pattern(EventPattern=json.dumps(pat), Event=json.dumps(ev2))["Result"], False, "no match")
            p3 = {"detail": {"a": [{"anything-but": ["x"]}], "n": [{"numeric": [">", 5]}], "c": [{"exists": False}]}}
            eq(e.test_event_pattern(EventPattern=json.dumps(p3), Event=json.dumps(
                {**ev, "detail": {"a": "y", "n": 7}}))["Result"], True, "anything-but/numeric/exists")
            p4 = {"$or": [{"source": ["nope"]}, {"detail": {"eventName": [{"wildcard": "Stop*ing"}]}}]}
            eq(e.test_event_pattern(EventPattern=json.dumps(p4), Event=json.dumps(ev))["Result"], True, "$or/wildcard")
        self.run("events", "TestEventPattern", "prefix, anything-but, numeric, exists, $or, wildcard", tep)

        def pe():
            e.put_rule(Name=r + "c", EventPattern=json.dumps({"source": ["orgtrail.test"]}))
            e.put_targets(Rule=r + "c", Targets=[{"Id": "q", "Arn": x["queue_arn"]}])
            rr = e.put_events(Entries=[{"Source": "orgtrail.test", "DetailType": "t", "Detail": '{"k":"v"}'}])
            eq(rr["FailedEntryCount"], 0, "failed")
            q = self.client("sqs")
            for _ in range(10):
                m = q.receive_message(QueueUrl=x["queue"], WaitTimeSeconds=1).get("Messages", [])
                if m:
                    eq(json.loads(m[0]["Body"])["detail"], {"k": "v"}, "detail")
                    return
            raise Wrong("not delivered to the SQS target")
        self.run("events", "PutEvents", "delivered to SQS target", pe, ("queue_arn",))

        def rm():
            e.remove_targets(Rule=r, Ids=["q"])
            eq(e.list_targets_by_rule(Rule=r)["Targets"], [], "targets")
        self.run("events", "RemoveTargets", "", rm, ("targets",))

        def dr():
            e.disable_rule(Name=r)
            eq(e.describe_rule(Name=r)["State"], "DISABLED", "state")
            e.delete_rule(Name=r)
            try:
                e.describe_rule(Name=r)
            except ClientError as er:
                eq(er.response["Error"]["Code"], "ResourceNotFoundException", "code")
            else:
                raise Wrong("still there")
        self.run("events", "DisableRule+DeleteRule", "", dr, ("rule",))
        self.refuse("events", "PutRule", "invalid pattern",
                    lambda: e.put_rule(Name=r + "x", EventPattern='{"source": "not-a-list"}'),
                    ["InvalidEventPatternException"])
        self.refuse("events", "DeleteRule", "rule that has targets",
                    lambda: e.delete_rule(Name=r + "c"), ["ValidationException"], ("queue_arn",))

    def others(self):
        x = self.ctx
        la = self.client("lambda")

        def mkfn():
            z = io.BytesIO()
            with zipfile.ZipFile(z, "w") as f:
                f.writestr("index.py", "def handler(e, c):\n    return e\n")
            role = self.client("iam").create_role(RoleName=f"fn-{self.sfx}", AssumeRolePolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                         "Principal": {"Service": "lambda.amazonaws.com"}}]}))["Role"]["Arn"]
            la.create_function(FunctionName=f"f-{self.sfx}", Runtime="python3.12", Role=role,
                               Handler="index.handler", Code={"ZipFile": z.getvalue()})
            x["fn"] = f"f-{self.sfx}"
        self.run("lambda", "CreateFunction", "", mkfn)

        def ap():
            la.add_permission(FunctionName=x["fn"], StatementId="eb", Action="lambda:InvokeFunction",
                              Principal="events.amazonaws.com", SourceArn="arn:aws:events:us-east-1:1:rule/x")
            p = json.loads(la.get_policy(FunctionName=x["fn"])["Policy"])
            s = [s for s in p["Statement"] if s["Sid"] == "eb"]
            want(s and "lambda:InvokeFunction" in json.dumps(s) and "rule/x" in json.dumps(s), f"{p}")
            la.remove_permission(FunctionName=x["fn"], StatementId="eb")
        self.run("lambda", "AddPermission+GetPolicy+RemovePermission", "", ap, ("fn",))

        g = self.client("glue")
        db = f"db_{self.sfx}"

        def gd():
            g.create_database(DatabaseInput={"Name": db, "Description": "d"})
            eq(g.get_database(Name=db)["Database"].get("Description"), "d", "description")
            x["gluedb"] = db
        self.run("glue", "CreateDatabase+GetDatabase", "", gd)

        def gt():
            ti = {"Name": "cloudtrail_logs", "TableType": "EXTERNAL_TABLE",
                  "Parameters": {"projection.enabled": "true", "projection.day.type": "date"},
                  "PartitionKeys": [{"Name": "day", "Type": "string"}],
                  "StorageDescriptor": {"Columns": [{"Name": "eventname", "Type": "string"}],
                                        "Location": "s3://b/AWSLogs/",
                                        "InputFormat": "com.amazon.emr.cloudtrail.CloudTrailInputFormat",
                                        "SerdeInfo": {"SerializationLibrary": "org.apache.hive.hcatalog.data.JsonSerDe"}}}
            g.create_table(DatabaseName=db, TableInput=ti)
            t = g.get_table(DatabaseName=db, Name="cloudtrail_logs")["Table"]
            has(t, "table", Parameters=ti["Parameters"], PartitionKeys=ti["PartitionKeys"])
            eq(t["StorageDescriptor"]["Location"], "s3://b/AWSLogs/", "location")
        self.run("glue", "CreateTable+GetTable", "partition projection", gt, ("gluedb",))

        a = self.client("athena")

        def aq():
            r = a.start_query_execution(QueryString="SELECT 1", WorkGroup="primary",
                                        ResultConfiguration={"OutputLocation": f"s3://{x.get('bucket', 'b')}/athena/"})
            for _ in range(20):
                st = a.get_query_execution(QueryExecutionId=r["QueryExecutionId"])["QueryExecution"]["Status"]["State"]
                if st in ("SUCCEEDED", "FAILED", "CANCELLED"):
                    break
                time.sleep(0.5)
            eq(st, "SUCCEEDED", "state")
            x["aq"] = r["QueryExecutionId"]
        self.run("athena", "StartQueryExecution+GetQueryExecution", "", aq)

        def ar():
            rs = a.get_query_results(QueryExecutionId=x["aq"])["ResultSet"]
            want(any(d.get("VarCharValue") == "1" for row in rs["Rows"] for d in row.get("Data", [])),
                 f"SELECT 1 did not give 1: {rs.get('Rows')}")
        self.run("athena", "GetQueryResults", "SELECT 1 gives 1", ar, ("aq",))

        def ce():
            r = self.client("ce").get_cost_and_usage(
                TimePeriod={"Start": "2026-01-01", "End": "2026-02-01"}, Granularity="MONTHLY",
                Metrics=["UnblendedCost"],
                Filter={"Dimensions": {"Key": "SERVICE", "Values": ["AWS CloudTrail"]}})
            want(r.get("ResultsByTime") and "UnblendedCost" in r["ResultsByTime"][0].get("Total", {}),
                 f"no total: {r.get('ResultsByTime')}")
        self.run("ce", "GetCostAndUsage", "a total per month", ce)

        def pr():
            r = self.client("pricing").get_products(ServiceCode="AWSCloudTrail", MaxResults=5, Filters=[
                {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"}])
            want(r.get("PriceList"), "PriceList is empty")
            p = json.loads(r["PriceList"][0])
            want(p.get("terms", {}).get("OnDemand"), f"no price in {json.dumps(p)[:200]}")
        self.run("pricing", "GetProducts", "AWSCloudTrail, with a price", pr)

    # ======================================================================
    def bench(self):
        x = self.ctx
        u = urllib.parse.urlparse(self.args.endpoint)
        body = json.dumps({"Name": x.get("trail") or x.get("plain") or "x"})
        rq = AWSRequest("POST", self.args.endpoint.rstrip("/") + "/", data=body, headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.GetTrail"})
        SigV4Auth(Credentials(self.args.access_key, self.args.secret_key), "cloudtrail", self.region).add_auth(rq)
        hdr = dict(rq.headers.items())

        def one(conn):
            conn.request("POST", "/", body, hdr)
            r = conn.getresponse()
            d = r.read()
            if r.status != 200:
                raise RuntimeError(f"{r.status} {d[:120]}")
        out = {}
        try:
            conn = http.client.HTTPConnection(u.hostname, u.port, timeout=30)
            for _ in range(50):
                one(conn)
            lat = []
            for _ in range(1000):
                t = time.perf_counter()
                one(conn)
                lat.append((time.perf_counter() - t) * 1e3)
            lat.sort()
            out = {"median_ms": round(statistics.median(lat), 3), "p99_ms": round(lat[990], 3),
                   "serial_rps": round(1000 / (sum(lat) / 1e3))}
            n, k = 8, 300
            errs = []

            def w():
                try:
                    cc = http.client.HTTPConnection(u.hostname, u.port, timeout=30)
                    for _ in range(k):
                        one(cc)
                except Exception as e:  # noqa: BLE001
                    errs.append(str(e))
            ts = [threading.Thread(target=w) for _ in range(n)]
            t = time.perf_counter()
            [i.start() for i in ts]
            [i.join() for i in ts]
            out["rps_8_threads_python_client"] = round(n * k / (time.perf_counter() - t))
            out["errors"] = errs[:3]
        except Exception as e:  # noqa: BLE001
            out["error"] = str(e)
        return out

    # ======================================================================
    def go(self):
        only = set(self.args.only.split(",")) if self.args.only else None
        steps = [("sts", self.sts), ("kms", self.kms), ("s3", self.s3), ("sns_sqs", self.sns_sqs),
                 ("iam_logs", self.iam_logs), ("ct_no_org", self.cloudtrail_no_org_step),
                 ("organizations", self.organizations), ("ct_before", self.cloudtrail_refusals_before_access),
                 ("org_access", self.organizations_access), ("cloudtrail", self.cloudtrail),
                 ("ct_refusals", self.cloudtrail_refusals), ("multi_account", self.multi_account),
                 ("events", self.events), ("others", self.others), ("iam_enforcement", self.iam_enforcement)]
        for name, fn in steps:
            if only and name not in only and name != "sts":
                continue
            try:
                fn()
            except Exception as e:  # noqa: BLE001 - a crash of the probe itself is a finding
                self.rec("probe", name, "crashed", *self.classify(e))

    def cloudtrail_no_org_step(self):
        try:
            self.client("organizations").describe_organization()
            self.ctx["org_preexisting"] = True
        except Exception:  # noqa: BLE001
            self.ctx["org_preexisting"] = False
        self.cloudtrail_no_org()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--endpoint", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--name", default="")
    ap.add_argument("--region", default="us-east-1")
    ap.add_argument("--access-key", default="test")
    ap.add_argument("--secret-key", default="test")
    ap.add_argument("--only", default="", help="comma-separated steps")
    ap.add_argument("--server-log", default="",
                    help="the server's log file, read to tell a crash from NotImplementedError (moto)")
    ap.add_argument("--bench", action="store_true")
    ap.add_argument("--delivery-wait", type=float, default=5)
    ap.add_argument("--verbose", action="store_true")
    args = ap.parse_args()
    p = Probe(args)
    p.go()
    doc = {"name": args.name or args.endpoint, "endpoint": args.endpoint, "botocore": botocore.__version__,
           "seconds": round(time.time() - p.t0, 1), "rows": p.rows,
           "facts": {k: p.ctx.get(k) for k in ("account", "member", "org_id", "lookup_n", "query_rows", "public_keys")}}
    if args.bench:
        doc["bench"] = p.bench()
    with open(args.out, "w") as f:
        json.dump(doc, f, indent=1)
    counts = {}
    for r in p.rows:
        counts[r["status"]] = counts.get(r["status"], 0) + 1
    print(doc["name"], counts, doc.get("bench", ""), f"{doc['seconds']} s", file=sys.stderr)


if __name__ == "__main__":
    main()
