"""``python -m nnsim_cli``: the command line of the interpreter that runs, wherever its scripts are."""

from __future__ import annotations

from .main import main

raise SystemExit(main())
