"""The squares of ten numbers, by a pool of four."""
from multiprocessing import Pool


def square(x):
    return x * x


if __name__ == "__main__":
    with Pool(4) as pool:
        print("Results:", pool.map(square, range(1, 11)))
