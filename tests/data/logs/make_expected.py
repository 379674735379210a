#!/usr/bin/env python3
"""Copies the published record sets and the odd deliveries, generates a few logs, and counts the records with the
reference job; of the generated ones the generator itself says what is in them.

  make_expected.py LOGS TOOLS

LOGS is a folder with `records/`, `odd/` and `job_spec.json`, TOOLS one with `gen_logs.py` and `reference_job.py`, which
needs the PyPI packages orjson and isal. Records keep the shape that their publishers gave them, except that test fixtures which wrap
records in members of their own (panther, streamalert) are unwrapped; all files are compressed.

Where a record has neither eventCategory nor managementEvent, the job's rule for its category knows fewer data events
than orgtrail's (object calls of S3 that name no resources, items of DynamoDB, and so on), so such records get the
managementEvent that orgtrail's rule gives them before they are counted. The records in the copies are unchanged.
"""
import gzip, json, os, re, shutil, subprocess, sys, tempfile

logs, tools = sys.argv[1:3]
here = os.path.dirname(os.path.abspath(__file__))
ITEM = re.compile(r".*Item$|Query$|Scan$|TransactGetItems$|TransactWriteItems$|ExecuteStatement$|BatchExecuteStatement$|ExecuteTransaction$|GetRecords$|GetShardIterator$")


def documents(text):
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = decoder.raw_decode(text, at)
        yield document


def plausible(x):
    return isinstance(x, dict) and ("eventVersion" in x or {"eventSource", "eventName"} <= set(x))


def records(document):
    """Records of a document in any of the shapes."""
    if isinstance(document, list):
        for element in document:
            yield from records(element)
    elif isinstance(document.get("Records"), list):
        yield from (r for r in document["Records"] if isinstance(r, dict))
    elif isinstance(document.get("logEvents"), list):
        yield from (json.loads(e["message"]) for e in document["logEvents"])
    elif plausible(document):
        yield document
    elif plausible(document.get("detail")):
        yield document["detail"]


def unwrapped(name, document):
    if name == "panther":
        return [document["log"]] if plausible(document["log"]) else []
    if name == "streamalert":
        return [test["data"] for test in document if isinstance(test.get("data"), dict)]
    return None


def category(record):
    """orgtrail's category, as managementEvent, where the record does not say it."""
    if record.get("eventCategory") or record.get("managementEvent") is not None:
        return record
    kind, source, name = (record.get(k) or "" for k in ("eventType", "eventSource", "eventName"))
    types = {r.get("type") for r in record.get("resources") or [] if isinstance(r, dict)}
    if kind.startswith(("AwsCloudTrailInsight", "AwsVpceEvent", "AwsAggregatedEvent")):
        return record
    data = kind not in ("AwsConsoleSignIn", "AwsConsoleAction") and (
        source == "s3.amazonaws.com" and (re.match("(Get|Put|Delete|Head|List|Copy|Restore)Object", name) or "AWS::S3::Object" in types)
        or source == "lambda.amazonaws.com" and name in ("Invoke", "InvokeExecution")
        or source == "dynamodb.amazonaws.com" and ITEM.match(name)
        or source == "sns.amazonaws.com" and "AWS::SNS::Topic" in types
    )
    return dict(record, managementEvent=not data)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(gzip.compress(text, 9, mtime=0))


def main():
    shutil.rmtree(f"{here}/records", ignore_errors=True)
    shutil.rmtree(f"{here}/odd", ignore_errors=True)
    os.makedirs(f"{here}/expected", exist_ok=True)
    shutil.copytree(f"{logs}/odd/cases", f"{here}/odd")
    shutil.copy(f"{logs}/job_spec.json", f"{here}/job_spec.json")
    shutil.rmtree(f"{here}/generated", ignore_errors=True)
    few = "--gb 0.0015 --hours 1 --accounts 8 --seed 7 --workers 1".split()
    job = ["--spec", f"{logs}/job_spec.json", "--out", f"{here}/generated"]
    subprocess.run([sys.executable, f"{tools}/gen_logs.py", *few, *job], check=True, stdout=subprocess.DEVNULL)
    os.remove(f"{here}/generated/stats.json")
    os.rename(f"{here}/generated/truth.json", f"{here}/expected/generated.json")
    for name in sorted(os.listdir(f"{logs}/records")):
        with tempfile.TemporaryDirectory() as reference:
            for folder, _, files in os.walk(f"{logs}/records/{name}"):
                for file in sorted(files):
                    path = os.path.join(folder, file)
                    inside = os.path.relpath(path, logs)
                    if not file.endswith((".json", ".ndjson", ".json.gz")):
                        continue
                    text = open(path, "rb").read()
                    if text.startswith(b"\x1f\x8b"):
                        text = gzip.decompress(text)
                    found = list(documents(text.decode()))
                    if unwrapped(name, found[0]) is not None:
                        found = [x for document in found for x in unwrapped(name, document)]
                        text = "\n".join(json.dumps(x) for x in found).encode()
                    write(f"{here}/{inside.removesuffix('.gz')}.gz", text)
                    all_records = [category(r) for document in found for r in records(document)]
                    counted = json.dumps({"Records": all_records}).encode()
                    write(f"{reference}/{inside.removesuffix('.gz').removesuffix('.ndjson')}.json.gz", counted)
            out = f"{here}/expected/{name}.json"
            subprocess.run([sys.executable, f"{tools}/reference_job.py", reference, f"{logs}/job_spec.json", out], check=True)


main()
