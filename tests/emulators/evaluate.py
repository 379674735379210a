#!/usr/bin/env python3
"""Run a few lines of Python with boto3 against an emulator:  evaluate.py ENDPOINT ACCOUNT < script

The script has `client(service, region="eu-central-1")` for that account and `json`. The value of its last line,
if that is an expression, is printed as JSON. The account is a member of the management account's organization,
or the management account itself; a member is entered with AssumeRole, as orgtrail does.
"""
import ast
import json
import sys

import boto3
from botocore.config import Config

MANAGEMENT = "123456789012"


def main(endpoint, account):
    keys = {"aws_access_key_id": MANAGEMENT, "aws_secret_access_key": "secret"}

    def client(service, region="eu-central-1"):
        return boto3.client(service, region, endpoint_url=endpoint, **keys,
                            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}))

    if account != MANAGEMENT:
        role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
        got = client("sts").assume_role(RoleArn=role, RoleSessionName="tests")["Credentials"]
        keys = {"aws_access_key_id": got["AccessKeyId"], "aws_secret_access_key": got["SecretAccessKey"],
                "aws_session_token": got["SessionToken"]}

    names = {"client": client, "json": json}
    script = ast.parse(sys.stdin.read(), "script")
    last = script.body.pop() if script.body and isinstance(script.body[-1], ast.Expr) else None
    exec(compile(script, "script", "exec"), names)
    value = eval(compile(ast.Expression(last.value), "script", "eval"), names) if last else None
    if isinstance(value, dict):
        value.pop("ResponseMetadata", None)
    print(json.dumps(value, default=lambda v: v.read().decode() if hasattr(v, "read") else str(v)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
