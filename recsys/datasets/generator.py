"""thin placeholder"""

from recsys.datasets.ratings import DataSet

SIZES = ("small", "100k", "1m", "20m")


def generate(size: str, seed: int = 0) -> DataSet:
    raise NotImplementedError
