"""``python -m affinet``: the shell."""

import sys

from affinet.cli import main

if __name__ == "__main__":
    sys.exit(main())
