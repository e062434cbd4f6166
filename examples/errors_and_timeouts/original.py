"""Tasks with a time limit, one of which fails. The argument is the limit, in seconds."""
import sys
from multiprocessing import Pool


def square(x):
    if x == 5:
        raise RuntimeError("An error has occurred!")
    return x * x


def careful(x):
    try:
        return square(x)
    except RuntimeError as error:
        print("Caught exception: ", error)
        return None


if __name__ == "__main__":
    limit = float(sys.argv[1]) if len(sys.argv) > 1 else 1
    with Pool(4) as pool:
        for x in range(10):
            print(pool.apply_async(careful, (x,)).get(limit))
        pool.close()
        pool.join()
