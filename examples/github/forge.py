"""The JSON that the scripts beside it read and write. Standard library only."""

import json
import re
import sys


def load(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return json.load(file)


def text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def one_line(value):
    """Without line breaks and other control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())


def escape(value, special=""):
    """A workflow command ends at a line break and splits its properties at , and :"""
    for c in "%\r\n" + special:
        value = value.replace(c, f"%{ord(c):02X}")
    return value


def annotations(path):
    """`orgtrail check --format json` as GitHub's annotations."""
    for problem in load(path)["diagnostics"]:
        place = problem.get("location")
        properties = {"title": f"orgtrail {problem['code']}"}
        if place:
            properties |= {"file": place["file"].removeprefix("./"), "line": place["line"], "col": place["column"]}
        pairs = ",".join(f"{name}={escape(str(value), ':,')}" for name, value in properties.items())
        message = problem["message"] + (f"\n{problem['help']}" if problem.get("help") else "")
        kind = "error" if problem["severity"] == "error" else "warning"
        yield f"::{kind} {pairs}::{escape(message)}\n"


def decimal(value):
    """Amounts are decimal strings. Whatever else stands there must not become an output."""
    value = "" if value is None else str(value)
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?|", value):
        sys.exit("error: the estimate has an amount that is not a number")
    return value


def values(path, code):
    """The outputs of `orgtrail cost --format json`. Without a base everything is new, hence changed."""
    report = load(path)
    diff = report.get("diff")
    rows = {
        "monthly": decimal(report["total"]["expected"]),
        "increase": decimal(diff["increase"]) if diff else "",
        "percent": decimal(diff.get("percent")) if diff else "",
        "changed": str(bool(diff["lines"]) if diff else True).lower(),
        "refused": str(code == "3").lower(),
        "unknown": decimal(report["unknown"]),
    }
    for name, value in rows.items():
        yield f"{name}\t{value}\n"


def reason(path):
    budget = load(path).get("budget") or {}
    if not budget.get("kept", True):
        yield "; ".join(one_line(reason) for reason in budget.get("reasons", []))


def find(path, marker, me):
    """The oldest comment that begins with the marker and is ours."""
    for comment in load(path):
        author = comment.get("user") or comment.get("author") or {}
        ours = (author.get("login") or author.get("username")) == me if me else author.get("type") == "Bot"
        body = comment.get("body") or ""
        if ours and not comment.get("system") and body.splitlines()[:1] == [marker]:
            yield str(int(comment["id"]))
            return


def name(path):
    user = load(path)
    yield one_line(user.get("login") or user["username"])


def identity(path):
    yield str(int(load(path)["id"]))


def body(path):
    yield json.dumps({"body": text(path)})


def message(path):
    """What an API says of an error: {"message": …} (GitLab: text, list or object), {"error": …}, or no JSON at all."""
    try:
        answer = load(path)
        said = answer.get("message") or answer.get("error") or answer
    except (ValueError, AttributeError):
        said = text(path)
    yield one_line(said if isinstance(said, str) else json.dumps(said))[:300] or "no message"


def fence(path):
    """A code block that its content cannot end."""
    content = "".join(c for c in text(path) if c == "\n" or c == "\t" or c.isprintable()).strip("\n")
    ticks = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", content)), 0)
    yield f"{ticks}text\n{content}\n{ticks}\n"


def length(content):
    return len(content.encode("utf-16-le")) // 2


def plan(path, limit, before):
    """A collapsed section with as many lines of the plan as the limit leaves room for."""
    heading = re.search(r"^(Plan: [a-z0-9, ]+\.|No changes\.)", text(path), re.MULTILINE)
    head = f"\n\n<details><summary>{heading[1] if heading else 'Plan'}</summary>\n\n"
    tail = "\n</details>\n"
    block = "".join(fence(path))
    room = int(limit) - length(text(before)) - length(head + tail)
    if length(block) > room:
        first, *lines, last = block.rstrip("\n").split("\n")
        cut = "… {} more lines are in the summary of the run."
        room -= length(first + last + cut) + 20
        kept = []
        for line in lines:
            room -= length(line) + 1
            if room < 0:
                break
            kept.append(line)
        if not kept:
            return
        block = "\n".join([first, *kept, last, "", cut.format(len(lines) - len(kept)), ""])
    yield head + block + tail


COMMANDS = {
    "annotations": annotations,
    "body": body,
    "fence": fence,
    "find": find,
    "id": identity,
    "message": message,
    "name": name,
    "plan": plan,
    "reason": reason,
    "values": values,
}

if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="replace", newline="\n")
    for piece in COMMANDS[sys.argv[1]](*sys.argv[2:]):
        sys.stdout.write(piece)
