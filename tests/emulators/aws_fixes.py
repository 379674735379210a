"""Corrections of an emulator towards what AWS answers: fault_proxy.py --fix NAME,NAME… or --fix all.

SUPPORT.md says what each emulator does without them. What AWS keeps and the emulator loses is kept here, by
ARN or bucket name, for as long as the proxy runs (the emulator's own reset clears it). So a test that changes
the world behind orgtrail's back goes through the same proxy.
"""
import collections
import fnmatch
import json
import re
import urllib.parse

FIXES = {
    # CloudTrail
    "exists": "CreateTrail of a name that is taken: TrailAlreadyExistsException",
    "delete": "DeleteTrail takes an ARN, refuses an unknown trail, and takes the trail's tags along",
    "home": "HomeRegion in GetTrail; a trail's ARN works from every Region, changes only from its own",
    "empty": "members of a trail that are null or \"\" are left out",
    "kmsalias": "KmsKeyId given as alias or bare id becomes the key's ARN",
    "topicarn": "SnsTopicName may be an ARN; SnsTopicARN is answered",
    "recursive": "RecursiveLogging is kept (default true)",
    "createtags": "TagsList of CreateTrail is kept",
    "selectors": "one default event selector on a new trail; basic and advanced replace each other; HasCustomEventSelectors",
    "insights": "PutInsightSelectors replaces; EventCategories; InsightNotEnabledException; HasInsightSelectors",
    "eventconfig": "Put/GetEventConfiguration of a trail",
    "prerequisites": "Create/UpdateTrail check organization, trusted access, bucket policy, key policy, topic policy",
    # Organizations, IAM
    "trustedaccess": "List/Enable/DisableAWSServiceAccess, where the emulator has none",
    "slr": "the role is named AWSServiceRoleForCloudTrail; CreateServiceLinkedRole again: InvalidInput",
    # S3
    "bucketdefaults": "encryption AES256, public access blocked, BucketOwnerEnforced on a bucket nobody configured",
    "owner": "ExpectedBucketOwner is another account: 403",
    "lifecycle": "the lifecycle configuration is read as it was written, TransitionDefaultMinimumObjectSize too",
    "logging": "the logging configuration is read as it was written (TargetObjectKeyFormat)",
    "objectlock": "a retention in years has no Days 0; PutObjectLockConfiguration of a bucket that has objects already",
    "versioning": "the answer's root element is VersioningConfiguration, which strict readers ask for",
    "payment": "GetBucketRequestPayment answers: the owner pays",
    "tls": "the connection counts as TLS: a Deny on aws:SecureTransport false is kept here and not enforced",
    "tagging": "the tag set is read as it was written (empty values), tags given to CreateBucket too",
    # KMS
    "keyfields": "KeyUsage and MultiRegion of a key made without them",
    "keyarn": "EnableKey, DisableKey take an ARN",
    "policyname": "Get/PutKeyPolicy without PolicyName (it can only be \"default\")",
    "rotation": "RotationPeriodInDays is kept (default 365) and must be 90 to 2560",
}
CLOUDTRAIL = "cloudtrail.amazonaws.com"
TARGETS = {"cloudtrail": "CloudTrail_20131101", "kms": "TrentService", "organizations": "AWSOrganizationsV20161128"}
DEFAULT_SELECTOR = {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [],
                    "ExcludeManagementEventSources": []}
DEFAULT_BUCKET = {
    "encryption": "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256"
                  "</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>"
                  "</ServerSideEncryptionConfiguration>",
    "publicAccessBlock": "<PublicAccessBlockConfiguration>" + "".join(
        f"<{k}>true</{k}>" for k in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    ) + "</PublicAccessBlockConfiguration>",
    "ownershipControls": "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
}
MINIMUM_SIZE = "x-amz-transition-default-minimum-object-size"
XML = [("Content-Type", "application/xml")]

Answer = collections.namedtuple("Answer", "status headers body")


def ok(**members):
    return Answer(200, [("Content-Type", "application/x-amz-json-1.1")], json.dumps(members).encode())


def refuse(code, message):
    return Answer(400, [("Content-Type", "application/x-amz-json-1.1")], json.dumps({"__type": code, "message": message}).encode())


class Call:
    def __init__(self, service, action, region, method, path, headers, body):
        self.service, self.action, self.region, self.method = service, action, region, method
        self.path, self.headers, self.body = path, headers, body  # path: with the query

    def header(self, name):
        return next((v for k, v in self.headers if k.lower() == name), None)

    def json(self):
        return json.loads(self.body or b"{}")

    def with_body(self, members):
        return Call(self.service, self.action, self.region, self.method, self.path, self.headers, json.dumps(members).encode())

    def aside(self, service, action, body=None, region=None, method="POST", path="/"):
        """Another call by the same caller. Emulators choose the service and the Region by the signature's scope."""
        region = region or self.region
        headers = [(k, v) for k, v in self.headers
                   if k.lower() in ("host", "x-amz-date", "x-amz-security-token", "user-agent")]
        headers.append(("Authorization", re.sub(r"(Credential=[^/]+/\d+/)[^/]+/[^/]+/", rf"\g<1>{region}/{service}/",
                                                self.header("authorization") or "")))
        if service in TARGETS:
            headers += [("X-Amz-Target", f"{TARGETS[service]}.{action}"), ("Content-Type", "application/x-amz-json-1.1")]
            body = json.dumps(body or {}).encode()
        elif service != "s3":
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
            body = urllib.parse.urlencode({"Action": action, "Version": {"sts": "2011-06-15", "sns": "2010-03-31"}[service],
                                           **(body or {})}).encode()
        return Call(service, action, region, method, path, headers, body)


def arn_part(arn, index):
    parts = (arn or "").split(":", 5)
    return parts[index] if len(parts) == 6 and parts[0] == "arn" else None


class Fixes:
    def __init__(self, names, forward):
        """forward: Call -> Answer, the emulator itself"""
        self.forward = forward
        self.select(names)
        self.reset()

    def select(self, names):
        names = set(FIXES) if names == "all" else set(filter(None, names.split(",")))
        if names - set(FIXES):
            raise ValueError(f"unknown fix {sorted(names - set(FIXES))}; there are: {', '.join(FIXES)}")
        self.names = names

    def reset(self):
        self.trails = collections.defaultdict(dict)   # trail ARN -> what the emulator loses of it
        self.buckets = collections.defaultdict(dict)  # bucket -> sub-resource -> what was put
        self.rotation = {}                            # key id -> days
        self.services = collections.defaultdict(set)  # account -> services with trusted access

    def on(self, name):
        return name in self.names

    async def answer(self, call):
        handler = {"cloudtrail": self.cloudtrail, "organizations": self.organizations, "iam": self.iam,
                   "s3": self.s3, "kms": self.kms}.get(call.service)
        return await handler(call) if self.names and handler else await self.forward(call)

    async def ask(self, call, service, action, region=None, **members):
        """The members that an aside call answers, or None if it is refused."""
        a = await self.answer(call.aside(service, action, members, region))
        return json.loads(a.body or b"{}") if a.status == 200 else None

    async def account(self, call):
        a = await self.forward(call.aside("sts", "GetCallerIdentity"))
        m = re.search(rb"<Account>(\d+)</Account>", a.body)
        return m.group(1).decode() if m else None

    # ---- CloudTrail ------------------------------------------------------------------------------------

    async def trail(self, call, name):
        """The trail of this name or ARN as the emulator has it, or None."""
        a = await self.forward(call.aside("cloudtrail", "GetTrail", {"Name": name}, arn_part(name, 3)))
        return json.loads(a.body).get("Trail") if a.status == 200 else None

    async def cloudtrail(self, call):
        members = call.json()
        name = members.get("TrailName") or members.get("Name") or ""
        act, home = call.action, arn_part(name, 3)
        read = act.startswith(("Get", "List", "Describe"))
        if self.on("home") and home and home != call.region:
            trail = await self.trail(call, name)
            if trail and not read:
                return refuse("InvalidHomeRegionException", f"Trail {name} must be changed in its home Region, {home}.")
            if trail and read:
                call = call.aside("cloudtrail", act, members, home)
        handler = getattr(self, "ct_" + act, None)
        if handler:
            return await handler(call, members, name)
        a = await self.forward(call)
        if act in ("GetTrail", "DescribeTrails") and a.status == 200:
            out = json.loads(a.body)
            for trail in [out["Trail"]] if "Trail" in out else out.get("trailList", []):
                self.patch(trail, call.region)
            return Answer(200, a.headers, json.dumps(out).encode())
        return a

    def patch(self, trail, region, described=True):
        kept = self.trails[trail["TrailARN"]]
        if self.on("home") and described:
            trail.setdefault("HomeRegion", region)
        if self.on("topicarn") and "topic" in kept:
            trail.pop("SnsTopicName", None), trail.pop("SnsTopicARN", None)
            if kept["topic"]:
                trail.update(SnsTopicARN=kept["topic"], SnsTopicName=kept["topic"].rsplit(":", 1)[-1])
        if self.on("recursive"):
            trail["RecursiveLogging"] = kept.get("recursive", True)
        if self.on("selectors") and described:
            trail["HasCustomEventSelectors"] = bool(kept.get("selectors")) and kept["selectors"] != {"EventSelectors": [DEFAULT_SELECTOR]}
        if self.on("insights") and described:
            trail["HasInsightSelectors"] = bool(kept.get("insights"))
        if self.on("empty"):
            for member in [k for k, v in trail.items() if v in (None, "")]:
                del trail[member]

    async def ct_CreateTrail(self, call, members, name):
        if self.on("exists") and await self.trail(call, name):
            return refuse("TrailAlreadyExistsException", f"Trail {name} already exists for customer")
        return await self.write_trail(call, members, dict(members))

    async def ct_UpdateTrail(self, call, members, name):
        trail = await self.trail(call, name)
        if not trail:
            return await self.forward(call)
        self.patch(trail, call.region)
        return await self.write_trail(call, members, {**trail, **members})

    async def write_trail(self, call, members, after):
        """after: the trail's members as they will be"""
        key = members.get("KmsKeyId")
        if self.on("kmsalias") and key and not re.match(r"arn:[^:]+:kms:[^:]*:\d+:key/", key):
            found = await self.ask(call, "kms", "DescribeKey", KeyId=key)
            if found:
                after["KmsKeyId"] = members["KmsKeyId"] = found["KeyMetadata"]["Arn"]
        if self.on("prerequisites"):
            refusal = await self.missing_prerequisite(call, after)
            if refusal:
                return refusal
        topic = members.pop("SnsTopicName", None) if self.on("topicarn") else None
        a = await self.forward(call.with_body(members))
        if a.status != 200:
            return a
        out = json.loads(a.body)
        arn = out["TrailARN"]
        if call.action == "CreateTrail":
            self.trails.pop(arn, None)
            if self.on("createtags") and members.get("TagsList"):
                await self.ask(call, "cloudtrail", "AddTags", ResourceId=arn, TagsList=members["TagsList"])
        kept = self.trails[arn]
        if topic is not None:
            account = arn_part(arn, 4)
            kept["topic"] = topic if not topic or arn_part(topic, 5) else f"arn:aws:sns:{call.region}:{account}:{topic}"
        if "RecursiveLogging" in members:
            kept["recursive"] = members["RecursiveLogging"]
        self.patch(out, call.region, described=False)
        return Answer(200, a.headers, json.dumps(out).encode())

    async def missing_prerequisite(self, call, trail):
        account = await self.account(call)
        owners = [account]
        name = trail["Name"].rsplit("/", 1)[-1]
        arn = f"arn:aws:cloudtrail:{call.region}:{account}:trail/{name}"
        if trail.get("IsOrganizationTrail"):
            found = await self.ask(call, "organizations", "DescribeOrganization", region="us-east-1")
            if not found:
                return refuse("OrganizationsNotInUseException", "Your account is not a member of an organization.")
            organization = found["Organization"]
            if organization["MasterAccountId"] != account:
                return refuse("NotOrganizationMasterAccountException", "Only the management account may do this.")
            services = await self.ask(call, "organizations", "ListAWSServiceAccessForOrganization", region="us-east-1")
            if CLOUDTRAIL not in [s["ServicePrincipal"] for s in (services or {}).get("EnabledServicePrincipals", [])]:
                return refuse("CloudTrailAccessNotEnabledException", "Trusted access for CloudTrail is not enabled.")
            owners.append(organization["Id"])
        bucket = trail["S3BucketName"]
        a = await self.forward(call.aside("s3", "GetBucketPolicy", method="GET", path=f"/{bucket}?policy"))
        if b"NoSuchBucket<" in a.body:
            return refuse("S3BucketDoesNotExistException", f"S3 bucket {bucket} does not exist!")
        # Another account's bucket may be closed to this caller; what was put through this proxy is known.
        policy = a.body if a.status == 200 else self.buckets[bucket].get("policy") or b"{}"
        prefix = trail["S3KeyPrefix"] + "/" if trail.get("S3KeyPrefix") else ""
        objects = [f"arn:aws:s3:::{bucket}/{prefix}AWSLogs/{owner}/CloudTrail/x" for owner in owners]
        if not admits(policy, "s3:GetBucketAcl", f"arn:aws:s3:::{bucket}", arn) or \
                not all(admits(policy, "s3:PutObject", o, arn) for o in objects):
            return refuse("InsufficientS3BucketPolicyException", f"Incorrect S3 bucket policy is detected for bucket: {bucket}")
        key = trail.get("KmsKeyId")
        if key and arn_part(key, 4) in (None, account):  # another account's key is not seen from here
            if not await self.ask(call, "kms", "DescribeKey", KeyId=key):
                return refuse("KmsKeyNotFoundException", f"KMS key {key} does not exist.")
            found = await self.ask(call, "kms", "GetKeyPolicy", KeyId=key, PolicyName="default")
            if found and not admits(found["Policy"], "kms:GenerateDataKey", key, arn):
                return refuse("InsufficientEncryptionPolicyException", f"Insufficient permissions to access KMS key {key}.")
        topic = trail.get("SnsTopicARN") if "SnsTopicName" not in trail else trail["SnsTopicName"]
        if topic and not arn_part(topic, 5):
            topic = f"arn:aws:sns:{call.region}:{account}:{topic}"
        if topic and arn_part(topic, 4) == account:
            a = await self.forward(call.aside("sns", "GetTopicAttributes", {"TopicArn": topic}))
            if a.status != 200 or CLOUDTRAIL.encode() not in a.body:
                return refuse("InsufficientSnsTopicPolicyException", "SNS Topic does not exist or the topic policy is incorrect!")
        return None

    async def ct_DeleteTrail(self, call, members, name):
        if not self.on("delete"):
            return await self.forward(call)
        trail = await self.trail(call, name)
        if not trail:
            return refuse("TrailNotFoundException", f"Unknown trail: {name}")
        arn = trail["TrailARN"]
        tags = (await self.ask(call, "cloudtrail", "ListTags", ResourceIdList=[arn]) or {}).get("ResourceTagList")
        if tags and tags[0]["TagsList"]:
            await self.ask(call, "cloudtrail", "RemoveTags", ResourceId=arn, TagsList=tags[0]["TagsList"])
        self.trails.pop(arn, None)
        return await self.forward(call.with_body({"Name": trail["Name"]}))

    async def kept(self, call, name):
        """-> (ARN, what is kept of it), or (None, refusal)"""
        trail = await self.trail(call, name)
        if not trail:
            return None, refuse("TrailNotFoundException", f"Unknown trail: {name}")
        return trail["TrailARN"], self.trails[trail["TrailARN"]]

    async def ct_PutEventSelectors(self, call, members, name):
        a = await self.forward(call)
        if a.status != 200 or not self.on("selectors"):
            return a
        arn = json.loads(a.body)["TrailARN"]
        if members.get("AdvancedEventSelectors"):
            selectors = {"AdvancedEventSelectors": members["AdvancedEventSelectors"]}
        else:
            selectors = {"EventSelectors": [{**DEFAULT_SELECTOR, **s} for s in members.get("EventSelectors") or []]}
        self.trails[arn]["selectors"] = selectors
        return ok(TrailARN=arn, **selectors)

    async def ct_GetEventSelectors(self, call, members, name):
        a = await self.forward(call)
        if a.status != 200 or not self.on("selectors"):
            return a
        arn = json.loads(a.body)["TrailARN"]
        return ok(TrailARN=arn, **self.trails[arn].get("selectors", {"EventSelectors": [DEFAULT_SELECTOR]}))

    async def ct_PutInsightSelectors(self, call, members, name):
        if not self.on("insights"):
            return await self.forward(call)
        arn, kept = await self.kept(call, name)
        if not arn:
            return kept
        kept["insights"] = [{"EventCategories": ["Management"], **s} for s in members.get("InsightSelectors") or []]
        return ok(TrailARN=arn, InsightSelectors=kept["insights"])

    async def ct_GetInsightSelectors(self, call, members, name):
        if not self.on("insights"):
            return await self.forward(call)
        arn, kept = await self.kept(call, name)
        if not arn:
            return kept
        if not kept.get("insights"):
            return refuse("InsightNotEnabledException", f"Trail {arn} does not have Insights enabled.")
        return ok(TrailARN=arn, InsightSelectors=kept["insights"])

    async def ct_PutEventConfiguration(self, call, members, name):
        if not self.on("eventconfig"):
            return await self.forward(call)
        arn, kept = await self.kept(call, name)
        if not arn:
            return kept
        kept["configuration"] = members.get("AggregationConfigurations") or []
        return ok(TrailARN=arn, AggregationConfigurations=kept["configuration"])

    async def ct_GetEventConfiguration(self, call, members, name):
        if not self.on("eventconfig"):
            return await self.forward(call)
        arn, kept = await self.kept(call, name)
        return ok(TrailARN=arn, AggregationConfigurations=kept.get("configuration", [])) if arn else kept

    # ---- Organizations, IAM ----------------------------------------------------------------------------

    async def organizations(self, call):
        a = await self.forward(call)
        if not self.on("trustedaccess") or "AWSServiceAccess" not in call.action or b"not implemented" not in a.body:
            return a
        services = self.services[await self.account(call)]
        if call.action.startswith("List"):
            return ok(EnabledServicePrincipals=[{"ServicePrincipal": s, "DateEnabled": 1.7e9} for s in sorted(services)])
        (services.add if call.action.startswith("Enable") else services.discard)(call.json()["ServicePrincipal"])
        return ok()

    async def iam(self, call):
        if not self.on("slr"):
            return await self.forward(call)
        name = b"AWSServiceRoleForCloudTrail"
        for theirs in (name, b"AWSServiceRoleForCloudtrail", b"AWSServiceRoleForcloudtrail"):
            a = await self.forward(Call(call.service, call.action, call.region, call.method, call.path, call.headers,
                                        call.body.replace(name, theirs)))
            if a.status < 400 or name not in call.body:
                break
        body = re.sub(name, name, a.body, flags=re.I)
        if call.action == "CreateServiceLinkedRole" and a.status >= 400:
            return Answer(400, a.headers, body.replace(b"EntityAlreadyExists", b"InvalidInput"))
        return Answer(a.status, a.headers, body)

    # ---- S3 (path style) -------------------------------------------------------------------------------

    async def s3(self, call):
        path, _, query = call.path.partition("?")
        bucket, _, key = path.strip("/").partition("/")
        sub = next((k for k in urllib.parse.parse_qs(query, keep_blank_values=True) if k != "x-id"), None)
        kept = self.buckets[bucket]
        wanted = call.header("x-amz-expected-bucket-owner")
        if self.on("owner") and wanted and kept.get("owner", wanted) != wanted:
            return Answer(403, XML, b"" if call.method == "HEAD" else b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
        if sub == "policy" and call.method == "PUT" and not key and self.on("tls"):
            return await self.put_policy(call, kept)
        a = await self.forward(call)
        if sub == "object-lock" and call.method == "PUT" and self.on("objectlock"):
            kept["lock"] = call.body if b"needs to be empty" in a.body else None
            a = Answer(200, XML, b"") if kept["lock"] else a
        if sub == "object-lock" and call.method == "GET" and kept.get("lock"):
            return Answer(200, XML, kept["lock"])
        if key or a.status >= 400 and a.status != 404:
            return a
        if call.method == "GET" and sub == "policy" and kept.get("policy"):
            return Answer(200, [("Content-Type", "application/json")], kept["policy"])
        if call.method == "GET" and sub == "requestPayment" and self.on("payment") and a.status == 200:
            return Answer(200, XML, b"<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>")
        if not sub and bucket:
            if call.method == "PUT" and a.status < 400 and "made" not in kept:
                kept.update(made=True, owner=await self.account(call))
                tags = re.search(rb"<Tags>(.*)</Tags>", call.body, re.S)
                if tags and self.on("tagging"):
                    body = b"<Tagging><TagSet>" + tags.group(1) + b"</TagSet></Tagging>"
                    await self.s3(call.aside("s3", "PutBucketTagging", body, method="PUT", path=f"/{bucket}?tagging"))
            elif call.method == "DELETE" and a.status < 400:
                del self.buckets[bucket]
            return a
        if call.method == "DELETE":
            kept[sub] = None
        elif call.method == "PUT" and a.status < 400:
            kept[sub] = call.body
            if sub == "lifecycle":
                kept[MINIMUM_SIZE] = call.header(MINIMUM_SIZE) or "all_storage_classes_128K"
                return Answer(a.status, without(a.headers, MINIMUM_SIZE) + [(MINIMUM_SIZE, kept[MINIMUM_SIZE])], a.body)
        elif call.method == "GET" and a.status == 404:
            if self.on("bucketdefaults") and sub in DEFAULT_BUCKET and sub not in kept and b"NoSuchBucket<" not in a.body:
                return Answer(200, XML, DEFAULT_BUCKET[sub].encode())
        elif call.method == "GET" and sub == "versioning" and self.on("versioning"):
            return Answer(a.status, a.headers, a.body.replace(b"GetBucketVersioningResponse", b"VersioningConfiguration"))
        elif call.method == "GET" and kept.get(sub):
            if sub in ("lifecycle", "logging", "tagging") and self.on(sub):
                headers = without(a.headers, MINIMUM_SIZE)
                return Answer(200, headers + [(MINIMUM_SIZE, kept[MINIMUM_SIZE])] if sub == "lifecycle" else headers, kept[sub])
            if sub == "object-lock" and self.on("objectlock"):
                return Answer(200, a.headers, re.sub(rb"<(Days|Years)>0</\1>", b"", a.body))
        return a

    async def put_policy(self, call, kept):
        """The emulators take no account of conditions, so they would deny every object over plain HTTP."""
        try:
            policy = json.loads(call.body)
        except ValueError:
            return await self.forward(call)
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        enforced = [s for s in policy.get("Statement", []) if (s.get("Effect"), s.get("Condition")) != ("Deny", insecure)]
        if enforced:
            a = await self.forward(call.with_body({**policy, "Statement": enforced}))
        else:
            a = await self.forward(call.aside("s3", "DeleteBucketPolicy", method="DELETE", path=call.path))
        if a.status < 400:
            kept["policy"] = call.body
        return a

    # ---- KMS -------------------------------------------------------------------------------------------

    async def kms(self, call):
        members = call.json()
        if self.on("policyname") and call.action in ("GetKeyPolicy", "PutKeyPolicy"):
            call = call.with_body({"PolicyName": "default", **members})
        if self.on("keyarn") and call.action in ("EnableKey", "DisableKey"):
            call = call.with_body({"KeyId": members["KeyId"].rsplit("/", 1)[-1]})
        days = members.get("RotationPeriodInDays", 365)
        rotation = self.on("rotation")
        if rotation and call.action == "EnableKeyRotation" and not 90 <= days <= 2560:
            return refuse("ValidationException", "RotationPeriodInDays must be 90 to 2560")
        a = await self.forward(call)
        if a.status != 200:
            return a
        key = members.get("KeyId", "").rsplit("/", 1)[-1]
        if rotation and call.action == "EnableKeyRotation":
            self.rotation[key] = days
        if rotation and call.action == "GetKeyRotationStatus":
            out = json.loads(a.body)
            if out.get("KeyRotationEnabled"):
                out["RotationPeriodInDays"] = self.rotation.get(key, 365)
            return Answer(200, a.headers, json.dumps(out).encode())
        if self.on("keyfields") and call.action in ("CreateKey", "DescribeKey"):
            out = json.loads(a.body)
            for field, default in {"KeyUsage": "ENCRYPT_DECRYPT", "MultiRegion": False}.items():
                out["KeyMetadata"][field] = out["KeyMetadata"].get(field) or default
            return Answer(200, a.headers, json.dumps(out).encode())
        return a


def without(headers, name):
    return [(k, v) for k, v in headers if k.lower() != name]


def admits(policy, action, resource, trail):
    """Does a resource policy let CloudTrail do this for this trail? Looks at what orgtrail's policies use:
    Allow and Deny of the service principal, action and resource patterns, aws:SourceArn, aws:SourceAccount."""
    def listed(value):
        return value if isinstance(value, list) else [value]

    def like(patterns, value):
        return any(fnmatch.fnmatchcase(value.lower(), p.lower().replace("[", "[[]")) for p in listed(patterns))

    known = {"aws:sourcearn": trail, "aws:sourceaccount": arn_part(trail, 4)}
    allowed = False
    for s in listed(json.loads(policy).get("Statement", [])):
        principal = s.get("Principal", {})
        services = listed(principal.get("Service", [])) if isinstance(principal, dict) else []
        conditions = [(k.lower(), v) for test, keys in s.get("Condition", {}).items() for k, v in keys.items() if "Not" not in test]
        applies = CLOUDTRAIL in services and like(s.get("Action", []), action) and like(s.get("Resource", []), resource) and \
            all(like(v, known[k]) for k, v in conditions if k in known)
        if applies and s["Effect"] == "Deny" and not s.get("Condition"):
            return False
        allowed = allowed or applies and s["Effect"] == "Allow"
    return allowed
