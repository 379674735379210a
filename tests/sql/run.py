#!/usr/bin/env python3
"""Run SQL for Athena on DuckDB:  run.py <batch.json

The batch has `definition` (CREATE EXTERNAL TABLE …), `rows`, `logs` or both, and `queries`. A row is
{"account", "region", "record"}, a log a file or folder of CloudTrail log files, whose paths name account and Region. The
answer is one JSON list of rows for each query, with texts as Athena writes them and null for NULL.

The table has the columns and types of its definition, filled as Athena's SerDe does: keys in small letters, booleans and
numbers in a STRING column as text, what a record lacks as NULL. sqlglot translates Trino's dialect.
"""
import glob
import gzip
import json
import os
import re
import sys
import tempfile

import duckdb
import sqlglot
from sqlglot import exp

PLACE = re.compile(r"AWSLogs/(?:o-[^/]+/)?([^/]+)/CloudTrail[^/]*/([^/]+)/|(?:^|/)(\d{12})_CloudTrail[^_]*_([^_]+)_[^/]*$")
DAY = "2026/07/14"


# ---- log files, in the shapes of the test data --------------------------------------------------------------

def documents(text):
    decoder, at = json.JSONDecoder(), 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = decoder.raw_decode(text, at)
        yield document


def records(document):
    if isinstance(document, list):
        for element in document:
            yield from records(element)
    elif isinstance(document.get("Records"), list):
        yield from (r for r in document["Records"] if isinstance(r, dict))
    elif isinstance(document.get("logEvents"), list):
        for event in document["logEvents"]:
            yield from records(json.loads(event["message"]))
    elif "eventVersion" in document or {"eventSource", "eventName"} <= set(document):
        yield document
    elif isinstance(document.get("detail"), dict):
        yield from records(document["detail"])


def read(path):
    files = sorted(f for f in glob.glob(path + "/**/*", recursive=True) if os.path.isfile(f)) if os.path.isdir(path) else [path]
    for file in files:
        if "CloudTrail-Digest" in file:
            continue
        with open(file, "rb") as f:
            data = f.read()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        found = PLACE.search(file)
        places = [part or "" for part in found.groups()] if found else ["", "", "", ""]
        for document in documents(data.decode("utf-8", "replace")):
            for record in records(document):
                if isinstance(record.get("resources"), list):
                    # CloudTrail writes objects with an ARN, and the log engine knows nothing else; tools of publishers
                    # wrote arn, which the SerDe would take too.
                    resources = [r for r in record["resources"] if isinstance(r, dict)]
                    record["resources"] = [{k: v for k, v in r.items() if k != "arn"} for r in resources]
                yield {"account": places[0] or places[2], "region": places[1] or places[3], "record": record}


# ---- the table ----------------------------------------------------------------------------------------------

def column(value, kind):
    """A value as the SerDe puts it into a column of this type."""
    if value is None:
        return None
    if kind.is_type("struct"):
        if not isinstance(value, dict):
            return None
        members = {key.lower(): member for key, member in value.items()}
        return {m.name.lower(): column(members.get(m.name.lower()), m.args["kind"]) for m in kind.expressions}
    if kind.is_type("array"):
        return [column(element, kind.expressions[0]) for element in value] if isinstance(value, list) else None
    if kind.is_type("map"):
        return None  # nothing asks for one
    if kind.is_type("boolean"):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def load(db, definition, rows):
    created = sqlglot.parse_one(definition, read="hive")
    name = created.find(exp.Table)
    columns = {c.name.lower(): c.args["kind"] for c in created.this.expressions if isinstance(c, exp.ColumnDef)}
    partitioned = created.find(exp.PartitionedByProperty)
    partitions = [c.name.lower() for c in partitioned.find_all(exp.ColumnDef)]
    kinds = {c: kind.sql("duckdb") for c, kind in columns.items()} | {c: "TEXT" for c in partitions}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows")
        with open(path, "w") as file:
            for row in rows:
                members = {key.lower(): value for key, value in row["record"].items()}
                out = {c: column(members.get(c), kind) for c, kind in columns.items()}
                own = {"account": row["account"], "region": row["region"], "day": DAY}
                file.write(json.dumps(out | {c: own[c] for c in partitions}) + "\n")
        db.execute(f"CREATE SCHEMA {name.db}")
        types = ", ".join(f"'{c}': '{kind}'" for c, kind in kinds.items())
        db.execute(f"CREATE TABLE {name.db}.{name.name} AS SELECT * FROM read_json('{path}', columns = {{{types}}}, "
                   "format = 'newline_delimited', maximum_object_size = 100000000)")


# ---- Trino's dialect ----------------------------------------------------------------------------------------

def duck(node):
    """What sqlglot leaves as it is."""
    if isinstance(node, exp.Anonymous) and node.name.upper() == "ANY_MATCH":
        # True if one is; otherwise NULL if one is NULL, as in Trino.
        values, of = node.expressions
        of_null = of.copy()
        of_null.set("this", exp.Is(this=exp.Paren(this=of.this.copy()), expression=exp.Null()))
        some = lambda f: exp.GT(this=exp.func("LEN", exp.func("LIST_FILTER", values.copy(), f)), expression=exp.Literal.number(0))
        case = exp.Case().when(exp.Is(this=values.copy(), expression=exp.Null()), exp.Null())
        case = case.when(some(of.copy()), exp.true()).when(some(of_null), exp.Null()).else_(exp.false())
        return exp.Paren(this=case)
    if isinstance(node, exp.ArrayDistinct):
        # Trino keeps one NULL, DuckDB none.
        values = node.this.sql("duckdb")
        null = f"CASE WHEN len(list_filter({values}, lambda k : k IS NULL)) > 0 THEN [NULL] ELSE [] END"
        return sqlglot.parse_one(f"list_concat(list_distinct({values}), {null})", read="duckdb")
    if isinstance(node, exp.JSONFormat):
        return exp.cast(node.this, "text")
    return node


def translated(sql):
    tree = sqlglot.parse_one(sql, read="trino")
    if any(tree.find_all(exp.Like, exp.SimilarTo, exp.RegexpLike)):
        raise ValueError("LIKE")
    for node in reversed(list(tree.bfs())):  # what is inside first
        found = duck(node)
        if found is not node:
            node.replace(found)
    return tree.sql("duckdb")


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None else str(value)


def main():
    batch = json.load(sys.stdin)
    rows = batch.get("rows", []) + [row for path in batch.get("logs", []) for row in read(path)]
    db = duckdb.connect()
    load(db, batch["definition"], rows)
    answers = []
    for sql in batch["queries"]:
        here = translated(sql)
        try:
            found = db.execute(here).fetchall()
        except duckdb.Error as error:
            sys.exit(f"{error}\n{here}")
        answers.append([[text(value) for value in row] for row in found])
    json.dump(answers, sys.stdout)


main()
