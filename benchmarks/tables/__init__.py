"""Parts of ``tables.py``: networks for tables beside boosted trees and pytabkit's networks."""
