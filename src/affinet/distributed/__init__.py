"""Training one network with several processes.

``fit(..., reducer=...)`` needs only a small interface (:class:`Reducer`); :class:`MPIReducer`
implements it with mpi4py. For rows that do not fit into memory, see
:func:`affinet.datasets.open_shards`.
"""

from affinet._process import peak_memory
from affinet.distributed.mpi import MPIReducer
from affinet.training.team import Reducer

__all__ = ["MPIReducer", "Reducer", "peak_memory"]
