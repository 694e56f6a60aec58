# SPDX-License-Identifier: Apache-2.0
"""CommIPC as a system of the comparison: see the line protocol in internal/lab. Everything
runs in one event loop a process (uvloop, if it is there); data are bytes, without models."""
import argparse
import asyncio
import os
import sys
import threading
import time

from comm_ipc import CommIPC, CommIPCServer

try:
    import uvloop
except ImportError:
    uvloop = None

CHANNEL = "bench"


def arguments():
    p = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("system", "role", "pattern", "at", "hub", "profiles", "warm", "run"):
        p.add_argument("-" + name, default="")
    for name in ("callers", "bytes", "subscribers"):
        p.add_argument("-" + name, type=int, default=1)
    return p.parse_args()


def seconds(text):
    return float(text[:-2]) / 1e3 if text.endswith("ms") else float(text[:-1])


def say(line):
    print(line, flush=True)


async def connect(a, name):
    client = CommIPC(name, socket_path=a.at.split("://", 1)[1])
    await client.connect()
    return client, await client.open(CHANNEL)


async def hub(a):
    server = CommIPCServer("hub", socket_path=a.at.split("://", 1)[1], channel_policy="promote")
    task = asyncio.create_task(server.run())
    while not server.running or server._server is None:
        await asyncio.sleep(0.01)
    say("ready")
    await task


async def provide(a):
    _, channel = await connect(a, "provider")

    async def echo(request):
        return request.data

    await channel.add_event("echo", echo)
    say("ready")
    await asyncio.Event().wait()


async def call(a):
    _, channel = await connect(a, "caller")
    payload = "x" * a.bytes  # bytes do not pass its models

    async def caller(until, spans):
        while True:
            began = time.perf_counter()
            reply = await channel.event("echo", payload)
            t = time.perf_counter()
            spans.append(t - began)
            if t >= until:
                break
        if (reply["data"] if isinstance(reply, dict) else reply.data) != payload:
            raise SystemExit("the echo is another")

    async def all_callers(limit):
        spans = []
        began = time.perf_counter()
        await asyncio.gather(*(caller(began + limit, spans) for _ in range(a.callers)))
        return spans, time.perf_counter() - began

    await all_callers(seconds(a.warm))
    say("begin")
    await go.wait()
    spans, took = await all_callers(seconds(a.run))
    say("end")
    spans.sort()
    n = len(spans)
    say('{"ops":%d,"seconds":%.9f,"p50_us":%.3f,"p99_us":%.3f}' % (n, took, spans[n // 2] * 1e6, spans[n * 99 // 100] * 1e6))


async def subscribe(a):
    state = {"n": 0, "began": 0.0}
    done = set()
    ended = asyncio.Event()

    def listener(i):
        async def got(message):
            kind = message.data[0]
            if kind != "w" and not state["began"]:
                state["began"] = time.perf_counter()
                say("begin")
            if kind == "r":
                state["n"] += 1
            elif kind == "e":
                done.add(i)
                if len(done) == a.subscribers:
                    ended.set()
        return got

    all_channels = [(await connect(a, "subscriber%d" % i))[1] for i in range(a.subscribers)]
    say("ready")  # only who publishes can open a topic, and only then can others subscribe
    for i, channel in enumerate(all_channels):
        while True:
            try:
                await channel.subscribe("ticks", listener(i))
                break
            except Exception:
                await asyncio.sleep(0.02)
    await ended.wait()
    took = time.perf_counter() - state["began"]
    say("end")
    say('{"ops":%d,"seconds":%.9f}' % (state["n"], took))


async def publish(a):
    _, channel = await connect(a, "publisher")
    tail = "x" * (a.bytes - 1)
    await channel.add_subscription("ticks")
    await asyncio.sleep(1)  # until all have subscribed

    async def phase(kind, limit):
        n = 0
        began = time.perf_counter()
        while True:
            await channel.publish("ticks", kind + tail)
            n += 1
            if n % 16 == 0:
                await asyncio.sleep(0)
            if time.perf_counter() - began >= limit:
                return n

    await phase("w", seconds(a.warm))
    say('{"published":%d}' % await phase("r", seconds(a.run)))
    while True:
        await phase("e", 0)
        await asyncio.sleep(0.02)


go = asyncio.Event()  # the clocks have been read: the measured time may begin


async def alive(role):
    """Does a role, and listens to standard input: each line is a go, its end is the end."""
    loop = asyncio.get_running_loop()

    def lifeline():
        for _ in sys.stdin:
            loop.call_soon_threadsafe(go.set)
        os._exit(0)

    threading.Thread(target=lifeline, daemon=True).start()
    await role


def main():
    a = arguments()

    role = {"hub": hub, "provide": provide, "call": call, "subscribe": subscribe, "publish": publish}[a.role]
    (uvloop.run if uvloop else asyncio.run)(alive(role(a)))


main()
