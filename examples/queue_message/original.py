"""A message to a child that waits for one."""
from multiprocessing import Process, Queue


def receive(messages):
    print("Received", messages.get(), "from main process")


if __name__ == "__main__":
    messages = Queue()
    child = Process(target=receive, args=(messages,))
    child.start()
    messages.put("Hello Worker Process!")
    child.join()
