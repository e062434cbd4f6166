"""The same sum in this process and in a child. The argument is how many squares."""
import sys
import time
from multiprocessing import Process


def add_squares(n):
    sum([x**2 for x in range(n)])


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    start = time.perf_counter()
    add_squares(n)
    single = time.perf_counter() - start
    start = time.perf_counter()
    child = Process(target=add_squares, args=(n,))
    child.start()
    child.join()
    multi = time.perf_counter() - start
    print("Single processor time: ", single)
    print("Multi processor time: ", multi)
