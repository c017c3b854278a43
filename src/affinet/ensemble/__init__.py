"""Several networks that predict as one."""

from affinet.ensemble.ensemble import Ensemble

__all__ = ["Ensemble"]
