"""A loop and a pool: with next to no work for each number, and with much.

The argument divides the much."""
import sys
import time
from multiprocessing import Pool


def square(x):
    return x * x


def slow_square(task):
    x, steps = task
    total = 0
    for _ in range(steps):
        total += x * x
    return total // steps


def compare(work, tasks):
    start = time.perf_counter()
    expected = [work(task) for task in tasks]
    loop = time.perf_counter() - start
    start = time.perf_counter()
    with Pool() as pool:
        got = pool.map(work, tasks)
    parallel = time.perf_counter() - start
    print(f"Sequential processing time: {loop} seconds.")
    print(f"Parallel processing time: {parallel} seconds.")
    print(f"The pool takes {parallel / loop} times as long as the loop.")
    if got != expected:
        raise SystemExit("the pool computes something else")


if __name__ == "__main__":
    part = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print("Little work for each number:")
    compare(square, range(1, 10001))
    print("Much work for each number:")
    compare(slow_square, [(x, 500000 // part) for x in range(1, 101)])
