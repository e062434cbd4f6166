"""Processes whose argument has a name and a default."""
from multiprocessing import Process


def tell(continent="Asia"):
    print("The name of continent is : ", continent)


if __name__ == "__main__":
    tellers = [Process(target=tell, kwargs={"continent": c}) for c in ("America", "Europe", "Africa")]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
