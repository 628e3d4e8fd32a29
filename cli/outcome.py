"""What a finished command prints and returns, whether it ran a study or merged one."""

from __future__ import annotations

from nnsim.study_merge import StudyResult

from .present import print_failures, print_result

SOME_TRIALS_FAILED = 3
A_CLAIM_FAILED = 4


def conclude(result: StudyResult, as_json: bool, strict: bool, verbose: bool) -> int:
    """Print the outcome of `result` and return the exit code."""
    print_result(result, as_json)
    failed = result.manifest["trials"].get("error", 0)
    if failed:
        print_failures(result.failures, failed, verbose)
        return SOME_TRIALS_FAILED
    return A_CLAIM_FAILED if strict and (result.claims["verdict"] == "fails").any() else 0
