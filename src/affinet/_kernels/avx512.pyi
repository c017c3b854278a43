from affinet._kernels.baseline import *  # noqa: F403
