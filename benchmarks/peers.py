"""affinet beside every library that you could install instead, in one run.

    python benchmarks/peers.py
    python benchmarks/peers.py --quick --only step predict --nets tiny seed --cores 1

The run is ``peers/run.py``; ``--help`` lists the options.
"""

import sys

from peers.run import main

if __name__ == "__main__":
    sys.exit(main())
