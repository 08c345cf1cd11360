"""Unpacks the digits of scikit-learn: 1,797 images of 8 x 8 pixels from 0 to 16 (Alpaydin and Kaynak 1998).

    pip install --no-deps scikit-learn
    python examples/digits/prepare.py [--out DIR]

digits.csv has a header, and 64 pixels and the digit in each line. The package is only looked into, not imported.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import sys
from pathlib import Path


def package() -> Path:
    """The file of digits in the installed package."""
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        sys.exit("the package `scikit-learn` isn't installed: pip install --no-deps scikit-learn")
    return Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, help="digits.csv.gz, if the package isn't installed")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data", help="folder for the file")
    options = parser.parse_args()
    lines = gzip.decompress((options.source or package()).read_bytes()).decode()
    options.out.mkdir(parents=True, exist_ok=True)
    header = ",".join([*(f"pixel {k}" for k in range(64)), "digit"])
    (options.out / "digits.csv").write_text(f"{header}\n{lines}")
    print(f"{options.out / 'digits.csv'}: {len(lines.splitlines())} digits")


if __name__ == "__main__":
    main()
