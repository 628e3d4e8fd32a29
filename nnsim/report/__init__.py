"""From measured tables to statistics, claims, figures and documents."""

import os
import sys
from contextlib import suppress

if "MPLBACKEND" in os.environ and "matplotlib" not in sys.modules:
    # The import fails where it names a notebook's backend that is not installed here, and figures of ours need none.
    _chosen = os.environ.pop("MPLBACKEND")
    import matplotlib

    os.environ["MPLBACKEND"] = _chosen
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _chosen
