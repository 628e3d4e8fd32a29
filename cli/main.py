"""The command ``nnsim``: its groups, and how whatever goes wrong becomes a sentence and an exit code."""

from __future__ import annotations

import errno
import os
import shlex
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial

import click

from nnsim.core.errors import NnsimError

from .bench import bench
from .cache import cache
from .compare import compare
from .fault import sentence_about
from .gradcheck import gradcheck
from .info import info
from .list_names import list_names
from .lr_find import lr_find
from .merge import merge
from .predict import predict
from .reproduce import reproduce
from .signals import STOPPED_BY_CTRL_C, Stopped, listening
from .status import status
from .streams import escape_what_is_missing
from .study import study
from .submit import submit
from .train import train
from .verify import verify
from .warned import one_line_warnings

DEBUG = "--debug"
"""An option of every command, wherever it stands: `main` takes it out."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nnsim", prog_name="nnsim")
@click.option(DEBUG, is_flag=True, expose_value=False, help="Show the traceback of an error that nobody foresaw.")
def nnsim() -> None:
    """Ask how multi-layer perceptrons start, learn and fail, and get tables, figures and verdicts.

    Start with: nnsim study init
    """


STUDIES = (study, submit, merge, status, verify, compare, reproduce)
NETWORKS = (train, predict, lr_find, gradcheck)
GOING_ON = {"study", "merge", "reproduce", "train"}
"""Commands that a second call goes on with where the first was stopped."""

for _command in (*STUDIES, *NETWORKS, list_names, bench, cache, info):
    nnsim.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands behind ``nnsim``; by default ``sys.argv[1:]``.

    Returns
    -------
    int
        0 done, 1 error while running, 2 wrong usage, 3 some trials failed, a merge is incomplete or a GPU failed, 4 a
        claim failed under ``--strict``, a verification failed, a gradient is wrong or a benchmark's losses differ, 75
        stopped by SIGTERM or SIGUSR1, 130 stopped by Ctrl-C.
    """
    escape_what_is_missing()
    given = sys.argv[1:] if arguments is None else list(arguments)
    words = [word for word in given if word != DEBUG]
    say_stopped = partial(_complain, _farewell(words))
    with listening(say_stopped), one_line_warnings():
        code = _flush(_exit_code(words, say_stopped, words != given))
        if any(thread.name.startswith("worker") for thread in threading.enumerate()):
            os._exit(code)  # a trial is still under way: it may take longer than anybody would wait, nothing needs it
        return code


def _farewell(words: list[str]) -> str:
    """Return what to say when a command was stopped."""
    goes_on = next((word for word in words if not word.startswith("-")), "") in GOING_ON
    advice = "what is finished is kept, go on with" if goes_on else "begin anew with"
    return f"stopped; {advice}: {shlex.join(['nnsim', *words])}"


def _exit_code(words: list[str], say_stopped: Callable[[], None], debug: bool) -> int:
    try:
        return nnsim.main(words, prog_name="nnsim", standalone_mode=False) or 0
    except NnsimError as error:
        _complain(f"error: {error}")
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:  # a group alone: there is nothing wrong
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        _complain(f"error: {' '.join(error.format_message().split())}")
        return error.exit_code
    except Stopped as stopped:
        say_stopped()
        return stopped.exit_code
    except (click.Abort, KeyboardInterrupt):
        say_stopped()
        return STOPPED_BY_CTRL_C
    except Exception as error:
        if debug:
            traceback.print_exc()
        _complain(f"error: {_sentence(error, words, debug)}")
        return 1


def _sentence(error: Exception, words: list[str], debug: bool) -> str:
    """Return what to say about an error that is none of ours."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full: free some space and run the same command again to go on"
    if isinstance(error, MemoryError):
        return f"there is not enough memory: {error}".rstrip(": ")
    return f"{type(error).__name__}: {error}" if debug else sentence_about(error, words)


def _complain(sentence: str) -> None:
    click.echo(f"nnsim: {sentence}", err=True)


def _flush(code: int) -> int:
    """Write out what is buffered; where nobody reads any more (``nnsim ... | head -1``), be silent."""
    try:
        sys.stdout.flush()
        return code
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        if error.errno != errno.EPIPE:
            _complain(f"error: {_sentence(error, [], debug=False)}")
        return 1
