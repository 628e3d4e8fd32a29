"""What a finished command prints and returns, whether it ran a study, merged one or ran all."""

from __future__ import annotations

import click

from nnsim.runs.merge import StudyResult
from nnsim.runs.suite import SuiteResult

from .present import print_failures, print_result, print_suite

COULD_NOT_RUN = 1
SOME_TRIALS_FAILED = 3
A_CLAIM_FAILED = 4


def conclude(result: StudyResult, all_claims: bool, as_json: bool, strict: bool, verbose: bool) -> int:
    """Print the outcome of `result` and return the exit code."""
    print_result(result, all_claims, as_json)
    failed = result.manifest["trials"].get("error", 0)
    if failed:
        print_failures(result.failures, failed, verbose)
        return SOME_TRIALS_FAILED
    return A_CLAIM_FAILED if strict and (result.claims["verdict"] == "fails").any() else 0


def conclude_suite(result: SuiteResult, all_claims: bool, as_json: bool, strict: bool, verbose: bool) -> int:
    """Print the outcome of several studies and return the exit code."""
    print_suite(result, all_claims, as_json)
    if result.failed_trials:
        print_failures(result.failures, result.failed_trials, verbose)
    for name, error in result.errors.items():
        click.echo(f"nnsim: study {name} could not be run: {error}", err=True)
    if result.errors:
        return COULD_NOT_RUN
    if result.failed_trials:
        return SOME_TRIALS_FAILED
    return A_CLAIM_FAILED if strict and (result.claims["verdict"] == "fails").any() else 0
