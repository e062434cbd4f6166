"""mp.py queue|pipe-rtt|pool-map|pool-chunk1|pool-apply|start [SIZE [CPU0 CPU1]]

Measures Python's multiprocessing, and prints one sample as JSON. With processors
this process is bound to the first, and the other to the second.
"""

import json
import multiprocessing as mp
import os
import sys
import time


def square(x):
    return x * x


def nothing():
    pass


def pin(side):
    if len(sys.argv) > 4:
        os.sched_setaffinity(0, {int(sys.argv[3 + side])})


def fill(q, message):
    pin(1)
    while True:
        q.put(message)


def echo(conn):
    pin(1)
    while True:
        conn.send_bytes(conn.recv_bytes())


def times(samples):
    samples.sort()
    n = len(samples)
    at = lambda p: samples[(n * p + 999) // 1000 - 1]
    return {"value": at(500), "p50": at(500), "p99": at(990), "p999": at(999)}


def queue(size):
    q = mp.Queue(1024)
    p = mp.Process(target=fill, args=(q, bytes(size)), daemon=True)
    p.start()
    pin(0)
    q.get()
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < 0.4:
        for _ in range(16):
            q.get()
        n += 16
    took = time.perf_counter() - start
    p.kill()
    return {"value": n / took / 1e6}


def timed(n, f):
    samples = []
    for _ in range(n):
        start = time.perf_counter_ns()
        f()
        samples.append(time.perf_counter_ns() - start)
    return times(samples)


def pipe_rtt(size):
    a, b = mp.Pipe()
    p = mp.Process(target=echo, args=(b,), daemon=True)
    p.start()
    pin(0)
    message = bytes(size)

    def trip():
        a.send_bytes(message)
        a.recv_bytes()

    sample = timed(3000, trip)
    p.kill()
    return sample


def pool_map(chunk):
    with mp.Pool(2) as pool:
        pool.map(square, range(100))
        took = timed(9, lambda: pool.map(square, range(10000), chunk))
        return {"value": took["value"] / 10000}


def pool_apply():
    with mp.Pool(2) as pool:
        pool.map(square, range(100))
        return timed(1000, lambda: pool.apply(square, (3,)))


def start():
    def child():
        p = mp.Process(target=nothing)
        p.start()
        p.join()

    return timed(50, child)


def main():
    what, size = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 64
    sample = {
        "queue": lambda: queue(size),
        "pipe-rtt": lambda: pipe_rtt(size),
        "pool-map": lambda: pool_map(None),
        "pool-chunk1": lambda: pool_map(1),
        "pool-apply": pool_apply,
        "start": start,
    }[what]()
    print(json.dumps(sample))


if __name__ == "__main__":
    main()
