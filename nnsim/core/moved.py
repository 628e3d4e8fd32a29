"""Where modules went that had other names: an import of an old one fails with a sentence that says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

MOVED = {
    "nnsim.activations": "nnsim.networks.activations",
    "nnsim.arrangements": "nnsim.probes.expressivity.hyperplane_arrangements",
    "nnsim.array_files": "nnsim.data.array_files",
    "nnsim.backends": "nnsim.training.backend",
    "nnsim.benchmarks.measurement": "nnsim.benchmarks.record",
    "nnsim.best_lines": "nnsim.probes.expressivity.best_lines",
    "nnsim.block_size": "nnsim.training.block_size",
    "nnsim.born_dead": "nnsim.probes.expressivity.born_dead",
    "nnsim.checkpoints": "nnsim.apps.checkpoints",
    "nnsim.checks": "nnsim.core.validation",
    "nnsim.clipping": "nnsim.probes.clipped_steps",
    "nnsim.constructions": "nnsim.probes.expressivity.constructions",
    "nnsim.csv_files": "nnsim.data.csv_files",
    "nnsim.curves": "nnsim.training.schedule_curves",
    "nnsim.data_files": "nnsim.data.data_files",
    "nnsim.data_paths": "nnsim.data.data_paths",
    "nnsim.datasets": "nnsim.data.datasets",
    "nnsim.deep_linear": "nnsim.probes.deep_linear",
    "nnsim.devices": "nnsim.training.device",
    "nnsim.dialects": "nnsim.data.dialects",
    "nnsim.enclosure": "nnsim.probes.expressivity.enclosure",
    "nnsim.equal_parameters": "nnsim.networks.equal_parameters",
    "nnsim.errors": "nnsim.core.errors",
    "nnsim.estimators": "nnsim.apps.sklearn",
    "nnsim.experiment.catalogue": "nnsim.study.discovery",
    "nnsim.experiment.cluster": "nnsim.experiment.executors.dask",
    "nnsim.experiment.cluster_worker": "nnsim.experiment.executors.dask_worker",
    "nnsim.experiment.compare": "nnsim.experiment.results.compare",
    "nnsim.experiment.equal_data": "nnsim.experiment.executors.shared_data",
    "nnsim.experiment.executor": "nnsim.experiment.executors.threads",
    "nnsim.experiment.files": "nnsim.core.atomic_files",
    "nnsim.experiment.finished": "nnsim.experiment.results.result_folder",
    "nnsim.experiment.gang": "nnsim.experiment.executors.batcher",
    "nnsim.experiment.gang_executor": "nnsim.experiment.executors.gpu",
    "nnsim.experiment.machine": "nnsim.experiment.results.environment",
    "nnsim.experiment.manifest": "nnsim.experiment.results.manifest",
    "nnsim.experiment.outputs": "nnsim.core.output_folders",
    "nnsim.experiment.progress": "nnsim.core.progress",
    "nnsim.experiment.rows": "nnsim.experiment.csv_rows",
    "nnsim.experiment.settings": "nnsim.experiment.config_files",
    "nnsim.experiment.status": "nnsim.experiment.results.status",
    "nnsim.experiment.study": "nnsim.study.declaration",
    "nnsim.experiment.table_rows": "nnsim.experiment.results.csv_compare",
    "nnsim.experiment.temporary": "nnsim.core.temporary_files",
    "nnsim.experiment.verify": "nnsim.experiment.results.verify",
    "nnsim.experiment.versions": "nnsim.core.versions",
    "nnsim.experiment.warming": "nnsim.experiment.executors.warm_up",
    "nnsim.features": "nnsim.data.features",
    "nnsim.finite_width": "nnsim.theory.signals.finite_width",
    "nnsim.finite_width_pairs": "nnsim.theory.signals.finite_width_pairs",
    "nnsim.generalization": "nnsim.probes.generalization",
    "nnsim.gradient_check": "nnsim.probes.gradient_check",
    "nnsim.initializers": "nnsim.networks.initializers",
    "nnsim.jacobians": "nnsim.probes.jacobians",
    "nnsim.kernels.activations": "nnsim.kernels.formulas.activations",
    "nnsim.kernels.callees": "nnsim.kernels.compiling.deferred_codegen",
    "nnsim.kernels.compile_cache": "nnsim.kernels.compiling.compile_cache",
    "nnsim.kernels.cuda.options": "nnsim.kernels.cuda.decorators",
    "nnsim.kernels.dropout": "nnsim.kernels.formulas.dropout",
    "nnsim.kernels.losses": "nnsim.kernels.formulas.losses",
    "nnsim.kernels.normalization": "nnsim.kernels.formulas.normalization",
    "nnsim.kernels.optimizers": "nnsim.kernels.formulas.optimizers",
    "nnsim.kernels.options": "nnsim.kernels.compiling.decorators",
    "nnsim.kernels.philox": "nnsim.kernels.formulas.philox",
    "nnsim.kernels.scalar_math": "nnsim.kernels.formulas.scalar_math",
    "nnsim.kernels.schedules": "nnsim.kernels.formulas.schedules",
    "nnsim.kernels.sealed_cuda_files": "nnsim.kernels.compiling.checksummed_cuda_cache",
    "nnsim.kernels.sealed_files": "nnsim.kernels.compiling.checksummed_cache",
    "nnsim.kernels.unique_names": "nnsim.kernels.compiling.unique_names",
    "nnsim.kernels.vector": "nnsim.kernels.cpu.simd",
    "nnsim.key_values": "nnsim.core.option_strings",
    "nnsim.laboratory": "nnsim.study.network_trials",
    "nnsim.large_kernels": "nnsim.training.precompile",
    "nnsim.learning_rate_finder": "nnsim.apps.lr_finder",
    "nnsim.linear_pieces": "nnsim.probes.expressivity.linear_pieces",
    "nnsim.memory": "nnsim.networks.memory",
    "nnsim.models": "nnsim.apps.model_file",
    "nnsim.moments": "nnsim.probes.activation_moments",
    "nnsim.network": "nnsim.networks.spec",
    "nnsim.pace": "nnsim.training.steps_to_loss",
    "nnsim.pairs": "nnsim.probes.input_pairs",
    "nnsim.parametrization": "nnsim.training.mup",
    "nnsim.perceptron": "nnsim.apps.sklearn_base",
    "nnsim.piece_counts": "nnsim.probes.expressivity.piece_counts",
    "nnsim.populations": "nnsim.training.cuda_populations",
    "nnsim.prediction": "nnsim.apps.predict",
    "nnsim.problem": "nnsim.apps.setup",
    "nnsim.product_count": "nnsim.probes.operation_count",
    "nnsim.propagation": "nnsim.probes.propagation",
    "nnsim.readers": "nnsim.data.readers",
    "nnsim.recipe": "nnsim.training.recipe",
    "nnsim.registered": "nnsim.data.registered_files",
    "nnsim.registry": "nnsim.core.registry",
    "nnsim.report.chosen": "nnsim.report.tuned_arms",
    "nnsim.report.compare": "nnsim.report.compare_report",
    "nnsim.report.gallery": "nnsim.report.plots",
    "nnsim.report.judge": "nnsim.report.judging",
    "nnsim.report.ledger": "nnsim.report.text_review",
    "nnsim.report.rounding": "nnsim.report.statistics.rounding",
    "nnsim.report.slopes": "nnsim.report.statistics.slopes",
    "nnsim.report.statistics.resampling": "nnsim.report.statistics.sign_flips",
    "nnsim.report.suite": "nnsim.report.index_page",
    "nnsim.report.training_figures": "nnsim.apps.training_figures",
    "nnsim.report.tuning": "nnsim.report.best_rate",
    "nnsim.reproduce": "nnsim.runs.reproduce",
    "nnsim.ridges": "nnsim.probes.expressivity.ridge_functions",
    "nnsim.sbatch": "nnsim.experiment.slurm.commands",
    "nnsim.scaling": "nnsim.data.scaling",
    "nnsim.schedules": "nnsim.training.schedules",
    "nnsim.seeding": "nnsim.core.seeding",
    "nnsim.settings": "nnsim.apps.settings",
    "nnsim.sharpness": "nnsim.probes.sharpness",
    "nnsim.shown": "nnsim.core.shown",
    "nnsim.slurm": "nnsim.experiment.slurm.scripts",
    "nnsim.spreadsheets": "nnsim.data.spreadsheets",
    "nnsim.stability": "nnsim.probes.edge_of_stability",
    "nnsim.study_merge": "nnsim.runs.merge",
    "nnsim.study_runner": "nnsim.runs.run",
    "nnsim.study_settings": "nnsim.study.checks",
    "nnsim.study_suite": "nnsim.runs.suite",
    "nnsim.submit": "nnsim.runs.submit",
    "nnsim.synthetic": "nnsim.data.synthetic",
    "nnsim.target_units": "nnsim.apps.target_units",
    "nnsim.targets": "nnsim.data.targets",
    "nnsim.tensor_file": "nnsim.core.tensor_file",
    "nnsim.testing": "nnsim.runs.contract",
    "nnsim.theory.approximation": "nnsim.theory.expressivity.approximation",
    "nnsim.theory.attraction": "nnsim.theory.signals.attraction",
    "nnsim.theory.batch_norm": "nnsim.theory.signals.batch_statistics",
    "nnsim.theory.clipping": "nnsim.theory.training.clipped_direction",
    "nnsim.theory.closed_moments": "nnsim.theory.signals.closed_moments",
    "nnsim.theory.correlation": "nnsim.theory.signals.correlation",
    "nnsim.theory.cost": "nnsim.theory.training.cost",
    "nnsim.theory.dead_units": "nnsim.theory.signals.dead_units",
    "nnsim.theory.double_descent": "nnsim.theory.training.double_descent",
    "nnsim.theory.gaussian": "nnsim.networks.gaussian_moments",
    "nnsim.theory.linear_dynamics": "nnsim.theory.training.linear_dynamics",
    "nnsim.theory.mean_field": "nnsim.theory.signals.mean_field",
    "nnsim.theory.perceptron": "nnsim.theory.expressivity.separability",
    "nnsim.theory.regions": "nnsim.theory.expressivity.regions",
    "nnsim.theory.relu_laws": "nnsim.theory.signals.relu_laws",
    "nnsim.theory.remedies": "nnsim.theory.signals.remedies",
    "nnsim.theory.schedules": "nnsim.theory.training.rate_courses",
    "nnsim.theory.selu": "nnsim.theory.signals.selu",
    "nnsim.theory.spectra": "nnsim.theory.signals.spectra",
    "nnsim.theory.stability": "nnsim.theory.training.stability",
    "nnsim.threshold_unit": "nnsim.probes.threshold_unit",
    "nnsim.training_identities": "nnsim.probes.training_identities",
    "nnsim.training_runner": "nnsim.apps.train",
    "nnsim.units": "nnsim.probes.units",
    "nnsim.vocabulary": "nnsim.core.vocabulary",
    "nnsim.watching": "nnsim.study.unit_trials",
}
"""Modules by their old names. Packages that took the name of a module forward to it, see `forwarded`."""


class Signpost:
    """The last of the finders that an import asks; it finds nothing, but knows where what is sought has gone."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """Raise ImportError for a module that has moved.

        Parameters
        ----------
        name : str
            Full name of the module.
        path, target
            What `importlib` hands to every finder; not used.
        """
        if name in MOVED:
            raise ImportError(f"{name} has moved: import {MOVED[name]}", name=name)


def put_up() -> None:
    """Let every failing import ask the signpost, once."""
    if Signpost not in sys.meta_path:
        sys.meta_path.append(Signpost)  # type: ignore[arg-type]


def forwarded(package: str, module: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package that was a module, whose names are in one of its modules now."""

    def get(name: str) -> Any:
        if not name.startswith("__"):
            home = import_module(f"{package}.{module}")
            if hasattr(home, name):
                return getattr(home, name)
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return get
