# SPDX-License-Identifier: Apache-2.0
"""multiprocessing.connection as a system of the comparison: see the line protocol in internal/lab."""
import argparse
import sys
import threading
import time
from multiprocessing.connection import Client, Listener


def arguments():
    p = argparse.ArgumentParser(prefix_chars="-", allow_abbrev=False)
    for name in ("system", "role", "pattern", "at", "hub", "profiles", "warm", "run"):
        p.add_argument("-" + name, default="")
    for name in ("callers", "bytes", "subscribers"):
        p.add_argument("-" + name, type=int, default=1)
    return p.parse_args()


def seconds(text):
    return float(text[:-2]) / 1e3 if text.endswith("ms") else float(text[:-1])


def place(at):
    scheme, rest = at.split("://", 1)
    if scheme == "unix":
        return rest, "AF_UNIX"
    host, port = rest.rsplit(":", 1)
    return (host, int(port)), "AF_INET"


def say(line):
    print(line, flush=True)


def begin():
    """The measured time begins when whoever measures has read the clocks."""
    say("begin")
    sys.stdin.readline()


def serve(a):
    where, family = place(a.at)
    listener = Listener(where, family)
    say("ready")
    conn = listener.accept()
    item = b"x" * a.bytes
    try:
        while True:
            request = conn.recv_bytes()
            if a.pattern == "stream":
                for _ in range(int(request)):
                    conn.send_bytes(item)
            else:
                conn.send_bytes(request)
    except EOFError:
        return


def stream(conn, n):
    conn.send_bytes(str(n).encode())
    for _ in range(n):
        conn.recv_bytes()


def calls(conn, a, limit, spans):
    """One thread with as many requests under way as there are callers."""
    request = b"x" * a.bytes
    clock = time.perf_counter
    began = clock()
    sent = []
    for _ in range(a.callers):
        sent.append(clock())
        conn.send_bytes(request)
    n = 0
    while sent:
        conn.recv_bytes()
        t = clock()
        spans.append(t - sent.pop(0))
        n += 1
        if t - began < limit:
            sent.append(t)
            conn.send_bytes(request)
    return n, clock() - began


def call(a):
    where, family = place(a.at)
    conn = Client(where, family)
    warm, run = seconds(a.warm), seconds(a.run)
    if a.pattern == "stream":
        n, took = 1000, 0.0
        while True:
            began = time.perf_counter()
            stream(conn, n)
            took = time.perf_counter() - began
            if took >= warm:
                break
            n *= 2
        n = int(n * run / took)
        begin()
        began = time.perf_counter()
        stream(conn, n)
        took = time.perf_counter() - began
        say("end")
        say('{"ops":%d,"seconds":%.9f}' % (n, took))
        return
    calls(conn, a, warm, [])
    spans = []
    begin()
    n, took = calls(conn, a, run, spans)
    say("end")
    spans.sort()
    p50, p99 = spans[n // 2] * 1e6, spans[n * 99 // 100] * 1e6
    say('{"ops":%d,"seconds":%.9f,"p50_us":%.3f,"p99_us":%.3f}' % (n, took, p50, p99))


def main():
    a = arguments()
    if a.role == "serve":
        threading.Thread(target=serve, args=(a,), daemon=True).start()
        sys.stdin.read()
    elif a.role == "call":
        call(a)


main()
