"""A child sends a list to its parent, and ends."""
from multiprocessing import Pipe, Process


def greet(connection):
    connection.send([42, None, "hello"])
    connection.close()


if __name__ == "__main__":
    mine, childs = Pipe()
    child = Process(target=greet, args=(childs,))
    child.start()
    childs.close()  # or the end of the child would never be seen
    try:
        while True:
            print(mine.recv())
    except EOFError:
        pass
    child.join()
