"""A number, an array and a queue that a child changes."""
from multiprocessing import Array, Process, Queue, Value


def change(number, numbers, messages):
    number.value = 3.1415927
    for index, element in enumerate(numbers):
        numbers[index] = -element
    messages.put([42, None, "hello"])


if __name__ == "__main__":
    shared = Value("d", 0.0), Array("i", list(range(10))), Queue()
    child = Process(target=change, args=shared)
    child.start()
    child.join()
    print(shared[0].value)
    print(list(shared[1]))
    print(shared[2].get())
