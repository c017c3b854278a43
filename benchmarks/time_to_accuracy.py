"""Seconds until a network reaches 98 % on MNIST's test images: affinet and its peers.

    python benchmarks/time_to_accuracy.py --data-dir DIR --grid       # once: finds the settings
    python benchmarks/time_to_accuracy.py --data-dir DIR
    python benchmarks/time_to_accuracy.py --quick --only affinet sklearn --cores 1

The run is ``time_to_accuracy/run.py``; ``--help`` lists the options.
"""

import sys

from time_to_accuracy.run import main

if __name__ == "__main__":
    sys.exit(main())
