"""Networks for tables beside boosted trees and pytabkit's networks, on the tables of a folder.

    python benchmarks/tables.py --verify
    python benchmarks/tables.py --data-dir DIR --out results.json --plot results.png
    python benchmarks/tables.py --data-dir DIR --quick --tables concrete --methods realmlp lightgbm

The run is ``tables/run.py``; ``--help`` lists the options.
"""

import sys

from tables.run import main

if __name__ == "__main__":
    sys.exit(main())
