"""`python -m dynlang` is `dync`."""

from dynlang.tools.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
