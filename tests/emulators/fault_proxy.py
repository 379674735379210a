#!/usr/bin/env python3
"""Counting, latency, fault-injecting reverse proxy in front of an AWS emulator.

  fault_proxy.py --target http://127.0.0.1:5599 [--listen 127.0.0.1:0] [--log calls.jsonl] [--log-bodies]
           [--latency-ms 50] [--jitter-ms 10] [--seed 1]
           [--fault KIND[:key=value[,key=value...]]]...   [--rate REGEX=TPS[/BURST]]...
           [--kill-pidfile F] [--fix NAME,NAME... | --fix all]       (aws_fixes.py lists the names)

Listens on a free port unless told otherwise, says "listening on http://..." and serves until it is ended or,
with --end-with-stdin, until standard input ends.

Faults.  KIND is one of
  throttle      the service's own throttling answer (400 ThrottlingException / Throttling, S3 503 SlowDown)
  503 500       ServiceUnavailable / InternalFailure in the service's protocol
  accessdenied  403/400 AccessDenied, never forwarded
  timeout       never forwarded, no answer for secs= (default 3600), then the connection is closed
  timeout-after forwarded and applied, then as timeout
  reset         TCP RST, never forwarded          reset-after  applied by the emulator, then RST instead of the answer
  truncate      applied; half of the answer's body, then RST
  kill-before / kill-after   SIGKILL to the pid in --kill-pidfile (or config kill_pid), not forwarded / applied;
                the connection is then reset
  down          like reset, for this and every later request (network gone)
keys: prob=0.1 | nth=5 | every=7 | first=3 (the first 3 matching)   (exactly one of them; default: always)
      match=REGEX on "service.Action" (re.search)     on=write|read|any (default any)
      secs=N (timeout)     times=N (stop after N injections)
nth/every/first count only requests that pass match/on.

Rates: --rate 'cloudtrail\.(Get|Describe|List)=10' is a token bucket (per access key, per region, per regex);
an empty bucket answers with the service's throttling error.  AWS's published CloudTrail quotas are about
10 TPS for Get*/Describe*/List*, 1 TPS for the rest.

Control (never logged, never delayed):
  GET  /_proxy/stats     counts, max depth, in-flight high water, faults injected, elapsed
  GET  /_proxy/calls     the recorded requests of this window as a JSON list
  POST /_proxy/reset     start a new window (counters, depth, nth counters); what --fix remembers stays
  POST /_proxy/config    JSON {"latency_ms":..,"jitter_ms":..,"faults":["kind:k=v"],"rates":["re=10"],
                               "kill_pid":123,"kill_pidfile":"f","fix":"...","label":"free text put on each log line"}

depth: a request's depth is 1 + the largest depth among requests already answered when it arrived; the
maximum is the number of strictly sequential rounds (critical path) of whatever ran in the window.
"""
import argparse, asyncio, collections, json, os, random, re, signal, socket, struct, sys, time
import urllib.parse
import aiohttp
from aiohttp import web

from aws_fixes import Answer, Call, Fixes
from serve import end_with_stdin

HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
READ = re.compile(r"^(Get|List|Describe|Head|Lookup|BatchGet|Search|Simulate|Validate|AssumeRole|Test|Query|Select|Check)")
S3_SUB = {"policy": "BucketPolicy", "policyStatus": "BucketPolicyStatus", "acl": "Acl", "versioning": "BucketVersioning",
          "encryption": "BucketEncryption", "lifecycle": "BucketLifecycleConfiguration", "logging": "BucketLogging",
          "tagging": "BucketTagging", "publicAccessBlock": "PublicAccessBlock", "ownershipControls": "BucketOwnershipControls",
          "location": "BucketLocation", "object-lock": "ObjectLockConfiguration", "notification": "BucketNotificationConfiguration",
          "replication": "BucketReplication", "website": "BucketWebsite", "cors": "BucketCors", "accelerate": "BucketAccelerateConfiguration",
          "requestPayment": "BucketRequestPayment", "versions": "ObjectVersions", "uploads": "MultipartUploads",
          "delete": "Objects", "intelligent-tiering": "BucketIntelligentTieringConfiguration", "inventory": "BucketInventoryConfiguration",
          "analytics": "BucketAnalyticsConfiguration", "metrics": "BucketMetricsConfiguration"}
CRED = re.compile(r"Credential=([^/]+)/(\d+)/([^/]+)/([^/]+)/aws4_request")


def classify(method, path, query, headers, body):
    """-> service, action, region, access_key, protocol ('json'|'query'|'s3'|'rest'|'cbor')"""
    m = CRED.search(headers.get("Authorization", ""))
    key, region, svc = (m.group(1), m.group(3), m.group(4)) if m else ("", "", "")
    tgt = headers.get("X-Amz-Target")
    if tgt:
        return svc or tgt.split(".")[0].lower(), tgt.rsplit(".", 1)[-1], region, key, "json"
    if "/operation/" in path and path.startswith("/service/"):
        return svc, path.rsplit("/", 1)[-1], region, key, "cbor"
    if svc != "s3" and (b"Action=" in body[:4096] or "Action" in query):
        a = query.get("Action") or urllib.parse.parse_qs(body.decode("utf8", "replace")).get("Action", ["?"])[0]
        return svc, a, region, key, "query"
    if path.startswith("/v20180820/"):
        return "s3control", {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}.get(method, method.title()) + \
               ("PublicAccessBlock" if "publicAccessBlock" in path else path[11:].replace("/", ".")), region, key, "s3"
    if svc == "s3" or (not svc and not path.startswith("/moto-api")):
        host = headers.get("Host", "")
        parts = [p for p in path.split("/") if p]
        if re.match(r"[^.:]+\.(localhost|127\.0\.0\.1|s3)", host) and not host.startswith("127."):
            parts.insert(0, host.split(".")[0])
        verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}.get(method, method.title())
        for k in query:
            if k in S3_SUB:
                s = S3_SUB[k]
                if k == "acl":
                    s = "BucketAcl" if len(parts) < 2 else "ObjectAcl"
                if k == "versions":
                    verb, s = "List", "ObjectVersions"
                if k == "delete":
                    verb = "Delete"
                return "s3", verb + s, region, key, "s3"
        if not parts:
            return "s3", "ListBuckets", region, key, "s3"
        if len(parts) == 1:
            return "s3", {"PUT": "CreateBucket", "DELETE": "DeleteBucket", "HEAD": "HeadBucket", "GET": "ListObjects"}.get(method, verb), region, key, "s3"
        return "s3", verb + "Object", region, key, "s3"
    return svc or "moto-api", f"{method} {path}", region, key, "rest"


def error_body(proto, code, msg, status):
    if proto == "s3":
        return status, "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{msg}</Message><RequestId>PROXY</RequestId><HostId>proxy</HostId></Error>'
    if proto == "query":
        return status, "text/xml", f'<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{msg}</Message></Error><RequestId>proxy</RequestId></ErrorResponse>'
    return status, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": msg})


def throttled(proto):
    if proto == "s3":
        return error_body(proto, "SlowDown", "Please reduce your request rate.", 503)
    return error_body(proto, "Throttling" if proto == "query" else "ThrottlingException", "Rate exceeded", 400)


class Fault:
    KINDS = {"throttle", "503", "500", "accessdenied", "timeout", "timeout-after", "reset", "reset-after", "truncate",
             "kill-before", "kill-after", "down"}

    def __init__(self, text):
        self.text = text
        kind, _, rest = text.partition(":")
        if kind not in self.KINDS:
            raise ValueError(f"unknown fault {kind!r}")
        self.kind, kv = kind, dict(p.split("=", 1) for p in re.split(r",(?=[a-z]+=)", rest) if p)
        self.prob = float(kv.pop("prob", -1)); self.nth = int(kv.pop("nth", 0)); self.every = int(kv.pop("every", 0))
        self.first = int(kv.pop("first", 0)); self.match = re.compile(kv.pop("match", "")); self.on = kv.pop("on", "any")
        self.secs = float(kv.pop("secs", 3600)); self.times = int(kv.pop("times", 0))
        if kv:
            raise ValueError(f"unknown keys {sorted(kv)} in fault {text!r}")
        self.reset()

    def reset(self):
        self.seen = self.fired = 0

    def hit(self, name, is_write, rnd):
        if (self.on == "write" and not is_write) or (self.on == "read" and is_write) or not self.match.search(name):
            return False
        self.seen += 1
        if self.times and self.fired >= self.times:
            return False
        h = (rnd.random() < self.prob if self.prob >= 0 else self.seen == self.nth if self.nth else
             self.seen % self.every == 0 if self.every else self.seen <= self.first if self.first else True)
        if h and self.kind == "down":       # stays down: every later request too
            self.prob, self.nth, self.every, self.first, self.on, self.match = -1, 0, 0, 0, "any", re.compile("")
        self.fired += h
        return h


class Rate:
    def __init__(self, text):
        rx, _, r = text.rpartition("=")
        tps, _, burst = r.partition("/")
        self.text, self.rx, self.tps = text, re.compile(rx), float(tps)
        self.burst = float(burst or tps); self.buckets = {}

    def take(self, name, key):
        if not self.rx.search(name):
            return True
        now = time.monotonic(); tok, last = self.buckets.get(key, (self.burst, now))
        tok = min(self.burst, tok + (now - last) * self.tps)
        ok = tok >= 1
        self.buckets[key] = (tok - 1 if ok else tok, now)
        return ok


class Proxy:
    def __init__(self, a):
        self.a = a; self.target = a.target.rstrip("/"); self.rnd = random.Random(a.seed)
        self.latency, self.jitter = a.latency_ms, a.jitter_ms
        self.faults = [Fault(f) for f in a.fault]; self.rates = [Rate(r) for r in a.rate]
        self.fixes = Fixes(a.fix, self.forward)
        self.kill_pid, self.label = None, None
        self.log = open(a.log, "a", buffering=1 << 16) if a.log else None
        self.session = None
        self.reset()

    def reset(self):
        self.n = 0; self.counts = collections.Counter(); self.status = collections.Counter(); self.injected = collections.Counter()
        self.errors = collections.Counter(); self.depth_done = self.depth_max = self.inflight = self.inflight_max = 0
        self.t0 = self.t_last = None; self.calls = collections.deque(maxlen=200000); self.window = time.monotonic()
        self.conns = set()
        for f in self.faults:
            f.reset()

    def stats(self):
        w = sum(v for k, v in self.counts.items() if not READ.match(k.split(".", 1)[-1]))
        return {"requests": self.n, "reads": self.n - w, "writes": w, "depth": self.depth_max, "max_inflight": self.inflight_max,
                "connections": len(self.conns), "elapsed_s": round((self.t_last or 0) - (self.t0 or 0), 4),
                "by_action": dict(sorted(self.counts.items())), "by_status": {str(k): v for k, v in sorted(self.status.items(), key=str)},
                "errors": dict(self.errors), "injected": dict(self.injected),
                "latency_ms": self.latency, "faults": [f.text for f in self.faults], "rates": [r.text for r in self.rates]}

    async def control(self, req, path):
        if path == "/_proxy/stats":
            return web.json_response(self.stats())
        if path == "/_proxy/calls":
            return web.json_response(list(self.calls))
        if path == "/_proxy/reset":
            self.reset()
            return web.json_response({"ok": True})
        if path == "/_proxy/config":
            try:
                c = json.loads(await req.read() or b"{}")
                if "faults" in c: self.faults = [Fault(f) for f in c["faults"]]
                if "rates" in c: self.rates = [Rate(r) for r in c["rates"]]
                if "latency_ms" in c: self.latency = float(c["latency_ms"])
                if "jitter_ms" in c: self.jitter = float(c["jitter_ms"])
                if "kill_pid" in c: self.kill_pid = c["kill_pid"]
                if "kill_pidfile" in c: self.a.kill_pidfile, self.kill_pid = c["kill_pidfile"], None
                if "label" in c: self.label = c["label"]
                if "fix" in c: self.fixes.select(c["fix"])
                if "seed" in c: self.rnd = random.Random(c["seed"])
            except (ValueError, KeyError, TypeError, re.error) as e:
                return web.json_response({"error": str(e)}, status=400)
            return web.json_response({"ok": True})
        return web.json_response({"ok": True, "pid": os.getpid()})

    def rst(self, req):
        tr = req.transport
        if tr is not None:
            s = tr.get_extra_info("socket")
            if s is not None:
                try:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                except OSError:
                    pass
            tr.abort()
        raise asyncio.CancelledError

    def kill(self):
        pid = self.kill_pid
        if not pid and self.a.kill_pidfile:
            try:
                pid = int(open(self.a.kill_pidfile).read().split()[0])
            except (OSError, ValueError, IndexError):
                pid = None
        if pid:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass

    async def forward(self, call):
        headers = [(k, v) for k, v in call.headers if k.lower() not in HOP | {"content-length"}]
        for attempt in (0, 1):
            try:
                async with self.session.request(call.method, self.target + call.path, headers=headers, data=call.body or None,
                                                allow_redirects=False) as r:
                    return Answer(r.status, [(k, v) for k, v in r.headers.items() if k.lower() not in HOP | {"content-length"}],
                                  await r.read())
            except aiohttp.ServerDisconnectedError:
                if attempt:
                    raise

    async def handle(self, req):
        path = req.path
        if path.startswith("/_proxy/"):
            return await self.control(req, path)
        t = time.monotonic(); body = await req.read()
        svc, act, region, key, proto = classify(req.method, path, req.query, req.headers, body)
        name, is_write = f"{svc}.{act}", not READ.match(act)
        call = Call(svc, act, region, req.method, req.raw_path, list(req.headers.items()), body)
        if path.startswith(("/moto-api", "/_ministack")):
            if path.endswith("/reset"):
                self.fixes.reset()
            st, hd, out = await self.forward(call)
            return web.Response(status=st, headers=hd, body=out)
        self.n += 1; n = self.n
        self.t0 = self.t0 or t
        self.inflight += 1; self.inflight_max = max(self.inflight_max, self.inflight)
        depth = self.depth_done + 1; self.depth_max = max(self.depth_max, depth)
        self.counts[name] += 1
        peer = req.transport.get_extra_info("peername") if req.transport else None
        self.conns.add(peer)
        status, fault, ecode, out = 0, None, None, b""
        try:
            d = self.latency + (self.rnd.uniform(-self.jitter, self.jitter) if self.jitter else 0)
            if d > 0:
                await asyncio.sleep(d / 1000)
            for r in self.rates:
                if not r.take(name, (key, region)):
                    fault, (status, ct, txt) = "rate", throttled(proto)
                    ecode = "Throttled"; out = txt.encode()
                    return web.Response(status=status, text=txt, content_type=ct)
            f = next((f for f in self.faults if f.hit(name, is_write, self.rnd)), None)
            if f:
                fault = f.kind
                if fault in ("throttle", "503", "500", "accessdenied"):
                    status, ct, txt = {"throttle": lambda: throttled(proto),
                                       "503": lambda: error_body(proto, "ServiceUnavailable", "Service unavailable", 503),
                                       "500": lambda: error_body(proto, "InternalError" if proto == "s3" else "InternalFailure", "Internal failure", 500),
                                       "accessdenied": lambda: error_body(proto, "AccessDenied" if proto != "json" else "AccessDeniedException",
                                                                          f"not authorized to perform: {name}", 403 if proto != "json" else 400)}[fault]()
                    ecode = fault; out = txt.encode()
                    return web.Response(status=status, text=txt, content_type=ct)
                if fault == "timeout":
                    await asyncio.sleep(f.secs); self.rst(req)
                if fault in ("reset", "down"):
                    self.rst(req)
                if fault == "kill-before":
                    self.kill(); self.rst(req)
            try:
                status, hd, out = await self.fixes.answer(call)
            except (aiohttp.ClientError, OSError) as e:
                status, ecode = 502, type(e).__name__
                return web.Response(status=502, text=f"proxy: upstream {e!r}")
            if status >= 400:
                m = re.search(rb'"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"|<Code>([^<]+)</Code>', out)
                ecode = (m.group(1) or m.group(2)).decode() if m else str(status)
            if f:
                if fault == "timeout-after":
                    await asyncio.sleep(f.secs); self.rst(req)
                if fault == "reset-after":
                    self.rst(req)
                if fault == "kill-after":
                    self.kill(); self.rst(req)
                if fault == "truncate":
                    resp = web.StreamResponse(status=status, headers=[*hd, ("Content-Length", str(len(out)))])
                    await resp.prepare(req); await resp.write(out[:len(out) // 2]); self.rst(req)
            if req.method == "HEAD":
                resp = web.StreamResponse(status=status, headers=hd)
                resp.content_length = 0
                await resp.prepare(req); await resp.write_eof(); return resp
            return web.Response(status=status, headers=hd, body=out)
        finally:
            e = time.monotonic(); self.t_last = e
            self.inflight -= 1; self.depth_done = max(self.depth_done, depth)
            self.status[status] += 1
            if fault: self.injected[fault] += 1
            if ecode: self.errors[f"{name}: {ecode}"] += 1
            line = {"n": n, "t": round(t - self.window, 4), "ms": round((e - t) * 1000, 2), "svc": svc, "action": act, "region": region,
                    "write": is_write, "method": req.method, "path": req.raw_path, "status": status, "err": ecode, "fault": fault,
                    "depth": depth, "inflight": self.inflight + 1, "in": len(body), "out": len(out), "key": key,
                    "conn": peer[1] if peer else None}
            if self.label: line["label"] = self.label
            if self.a.log_bodies:
                line["req"] = body.decode("utf8", "backslashreplace")[:200000]; line["resp"] = out.decode("utf8", "replace")[:20000]
                line["headers"] = dict(req.headers)
            self.calls.append(line)
            if self.log:
                self.log.write(json.dumps(line) + "\n"); self.log.flush()


async def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--listen", default="127.0.0.1:0"); p.add_argument("--target", required=True)
    p.add_argument("--log"); p.add_argument("--log-bodies", action="store_true")
    p.add_argument("--latency-ms", type=float, default=0); p.add_argument("--jitter-ms", type=float, default=0)
    p.add_argument("--fault", action="append", default=[]); p.add_argument("--rate", action="append", default=[])
    p.add_argument("--kill-pidfile"); p.add_argument("--fix", default=""); p.add_argument("--seed", type=int, default=1)
    p.add_argument("--end-with-stdin", action="store_true")
    a = p.parse_args()
    try:
        px = Proxy(a)
    except ValueError as e:
        p.error(str(e))
    px.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False,
                                       skip_auto_headers=["User-Agent", "Content-Type", "Accept", "Accept-Encoding"],
                                       timeout=aiohttp.ClientTimeout(total=600))
    host, port = a.listen.rsplit(":", 1)
    runner = web.ServerRunner(web.Server(px.handle, access_log=None, keepalive_timeout=75), handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host, int(port), backlog=512).start()
    print(f"listening on http://{host}:{runner.addresses[0][1]}", flush=True)
    if a.end_with_stdin:
        end_with_stdin()
    stop = asyncio.Event()
    for s in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(s, stop.set)
    await stop.wait()
    await px.session.close()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
