"""Children that print one after the other."""
from multiprocessing import Lock, Process


def say(item, turn):
    with turn:
        print(item)


if __name__ == "__main__":
    turn = Lock()
    speakers = [Process(target=say, args=(item, turn)) for item in ("tango", "foxtrot", 10)]
    for speaker in speakers:
        speaker.start()
    for speaker in speakers:
        speaker.join()
