"""What the tests of `verify`, `compare` and `reproduce` share: a finished run of the toy, and ways to damage it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import toy

from nnsim.experiment.results.result_folder import open_run
from nnsim.experiment.results.verify import Verification
from nnsim.experiment.results.verify import verify as verify_run
from nnsim.study.declaration import Study


def verify(folder: Path, study: Study = toy.study, **options: Any) -> Verification:
    return verify_run(open_run(folder), study, **options)


def edit_manifest(folder: Path, **entries: Any) -> None:
    """Change entries of a manifest; None removes one."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({name: value for name, value in manifest.items() if value is not None}))


def edit(path: Path, old: bytes, new: bytes) -> None:
    """Replace the first `old` in a file, which has to hold it."""
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
