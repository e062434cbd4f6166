"""Five processes, two of which may work at a time. The argument is how long, in seconds."""
import sys
import time
from multiprocessing import Process, Semaphore, current_process


def work(permits, pause):
    with permits:
        name = current_process().name
        print(name, "acquired")
        time.sleep(pause)
        print(name, "released", end="\n\n")


if __name__ == "__main__":
    pause = float(sys.argv[1]) if len(sys.argv) > 1 else 2
    permits = Semaphore(2)
    for _ in range(5):
        Process(target=work, args=(permits, pause)).start()
