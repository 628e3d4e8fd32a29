"""Data files in what is written: by a path from the folder that it lies in, or by their name alone.

A file may be called by many paths, from many folders. What is hashed or compared knows it by its content and its name,
and a configuration that is kept in a folder finds it from there, wherever the command is called.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

URI = "file:"
"""Begins the path of a file whose name is not UTF-8, as no text file can hold it: what follows is percent-encoded."""


def is_data_file(text: str) -> bool:
    """Return whether `text`, where data are asked for, is the path of a file that is there, and no data set's name."""
    from nnsim.data.datasets import DATASETS  # and scikit-learn

    return text not in DATASETS and os.path.isfile(text)


def has_labels_file(data: str) -> bool:
    """Return whether the target of the data file `data` is a file, too."""
    from nnsim.data.data_files import DataFile
    from nnsim.data.readers import files_of  # numpy

    return len(files_of(DataFile(Path(data)), "labels")) > 1


def label(path: str) -> str:
    """Return the name by which results call a file: without its folder, and bytes that are not UTF-8 as escapes."""
    return os.fsencode(os.path.basename(path)).decode(errors="backslashreplace")


def from_folder(text: str, folder: Path) -> str:
    """Return what a file in `folder` may call the data `text`: a path from there, or a data set's name as it is."""
    if not is_data_file(text):
        return text
    real = os.path.join(os.path.realpath(os.path.dirname(text)), os.path.basename(text))
    path = os.path.relpath(real, os.path.realpath(folder))
    path = path if os.sep in path else os.path.join(os.curdir, path)  # without a folder it might be a data set's name
    named = os.fsencode(path)
    try:
        named.decode()
    except UnicodeDecodeError:
        return URI + quote(named)
    return path


def into_path(text: str, folder: Path) -> str:
    """Return what a file in `folder` calls `text` as the working folder calls it; a data set's name stays as it is."""
    from nnsim.data.datasets import DATASETS

    if text.startswith(URI):
        text = os.fsdecode(unquote_to_bytes(text.removeprefix(URI)))
    path = os.path.join("" if folder == Path() else folder, text)
    is_path = os.sep in text or Path(text).suffix != "" or os.path.isfile(path)
    return path if is_path and text not in DATASETS else text
