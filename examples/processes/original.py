"""Five processes at once, each told its number."""
from multiprocessing import Process


def work(number):
    print("Processing", number)


if __name__ == "__main__":
    started = [Process(target=work, args=(number,)) for number in range(5)]
    for process in started:
        process.start()
    for process in started:
        process.join()
