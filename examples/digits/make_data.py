"""Writes scikit-learn's handwritten digits as FOLDER/digits.csv: python make_data.py FOLDER

1,797 images of 8 x 8 pixels (0 is white, 16 is black) and the digit that each one shows. The file is
the same on every machine; its SHA-256 is the digest in trainyard.yml.
"""

import sys
from pathlib import Path

from sklearn.datasets import load_digits


def write_digits(folder: Path) -> Path:
    """Writes digits.csv into `folder` (made if missing) and returns its path."""
    digits = load_digits()
    names = [f"pixel_{pixel}" for pixel in range(64)] + ["digit"]
    rows = [[*pixels, digit] for pixels, digit in zip(digits.data.astype(int), digits.target, strict=True)]
    text = "".join(",".join(map(str, row)) + "\n" for row in [names, *rows])

    folder.mkdir(parents=True, exist_ok=True)
    # Renamed into place, so that a trainer on the same machine never reads half a file.
    # Bytes, not text: Windows would write other line ends, and the digest would differ.
    aside = folder / ".digits.csv.part"
    aside.write_bytes(text.encode())
    return aside.replace(folder / "digits.csv")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python make_data.py FOLDER")
    print(write_digits(Path(sys.argv[1])))
