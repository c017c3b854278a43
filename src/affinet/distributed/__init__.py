"""Training one network with several processes, on the engine that connects them.

``fit(..., reducer=...)`` asks little of an engine (:class:`Reducer`); :class:`MPIReducer` joins
MPI, by mpi4py. Rows that do not fit into memory: :func:`affinet.datasets.open_shards`.
"""

from affinet._process import peak_memory
from affinet.distributed.mpi import MPIReducer
from affinet.training.team import Reducer

__all__ = ["MPIReducer", "Reducer", "peak_memory"]
