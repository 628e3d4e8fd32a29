"""Where networks are trained: what is chosen, what is said where CUDA is missing, and that commands pass it on."""

from __future__ import annotations

import json
import shlex
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import toy
import toy_training
from fake_cuda import DEVICE, Populations, fake_device, fake_populations  # noqa: F401
from nnsim_cli.main import main

from nnsim.core.errors import DeviceError, UnknownNameError, UsageError
from nnsim.experiment.results import environment
from nnsim.experiment.slurm.scripts import Request
from nnsim.kernels.compiling import compile_cache
from nnsim.runs.run import run_shard, run_study
from nnsim.training import backend
from nnsim.training.backend import Backend, Cuda, choose, look

NOT_INSTALLED = "the package numba-cuda is not installed: pip install 'nnsim[cuda]'"
NO_DRIVER = "no NVIDIA driver is found: install one, or go to a machine that has a GPU"
NO_DEVICE = (
    "the NVIDIA driver shows no device: look at CUDA_VISIBLE_DEVICES, or ask the batch system for a GPU, "
    "as Slurm with --gres=gpu:1"
)
RUN = ("study", "run", toy.__file__)


@pytest.fixture(autouse=True)
def no_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "find_spec", lambda name: None)


def installed(monkeypatch: pytest.MonkeyPatch, answer: Cuda | Exception) -> None:
    """Let numba-cuda be there, and the driver answer so."""

    def ask() -> Cuda:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(backend, "find_spec", lambda name: object())
    monkeypatch.setattr(backend, "ask_driver", ask)


class TestWhatIsMissing:
    @pytest.mark.usefixtures("without_package")
    def test_the_package(self) -> None:
        assert look() == Cuda(missing=NOT_INSTALLED)

    @pytest.mark.parametrize(
        ("words", "missing"),
        [
            ("\nCUDA driver library cannot be found.\nEnsure that a compatible NVIDIA driver is installed", NO_DRIVER),
            ("Call to cuInit results in CUDA_ERROR_NO_DEVICE (100)", NO_DEVICE),
            (
                "Call to cuInit results in CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)",
                "the NVIDIA driver and its library are of two versions: restart the machine",
            ),
            (
                "CUDA is disabled due to setting NUMBA_DISABLE_CUDA=1 in the environment",
                "the variable NUMBA_DISABLE_CUDA switches CUDA off: unset it",
            ),
            (
                "something\nelse.",
                "the NVIDIA driver cannot be used (something else): update or reinstall it",
            ),
            ("", "the NVIDIA driver cannot be used (OSError): update or reinstall it"),
        ],
    )
    def test_what_the_driver_lacks_in_its_own_words(
        self, monkeypatch: pytest.MonkeyPatch, words: str, missing: str
    ) -> None:
        installed(monkeypatch, OSError(words))
        assert look() == Cuda(missing=missing)

    @pytest.mark.parametrize(
        ("answer", "missing"),
        [
            (
                Cuda((DEVICE,), (11, 8), (12, 9)),
                "the NVIDIA driver knows CUDA 11.8, and at least 12.0 is needed: update it",
            ),
            (
                Cuda(driver=(12, 4)),
                "numba-cuda finds no libraries of CUDA to compile with: pip install 'nnsim[cuda]'",
            ),
            (Cuda((), (12, 4), (12, 9)), NO_DEVICE),
            (Cuda((DEVICE,), (12, 4), (12, 9)), ""),
            (Cuda((DEVICE,), (13, 0), (12, 9)), ""),
        ],
        ids=["old-driver", "no-libraries", "no-device", "nothing", "newer-driver"],
    )
    def test_what_its_answer_lacks(self, monkeypatch: pytest.MonkeyPatch, answer: Cuda, missing: str) -> None:
        installed(monkeypatch, answer)
        found = look()
        assert found.missing == missing
        assert (found.devices, found.driver) == (answer.devices, answer.driver)

    @pytest.mark.usefixtures("without_package")
    @pytest.mark.parametrize(("value", "names"), [("1", ["simulator"]), ("0", []), ("", [])])
    def test_the_simulator_is_a_device(self, monkeypatch: pytest.MonkeyPatch, value: str, names: list[str]) -> None:
        monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", value)
        assert [found.name for found in look().devices] == names


class TestDriver:
    """What numba-cuda is asked, with a numba-cuda that is none."""

    @pytest.fixture
    def driver(self, monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
        fake = types.ModuleType("numba.cuda")
        device = types.SimpleNamespace(name=b"NVIDIA H100", compute_capability=(9, 0), id=0)
        self.says = types.SimpleNamespace(available=True, error=None)
        fake.is_available = lambda: self.says.available  # type: ignore[attr-defined]
        fake.cuda_error = lambda: self.says.error  # type: ignore[attr-defined]
        fake.list_devices = lambda: [device]  # type: ignore[attr-defined]
        fake.runtime = types.SimpleNamespace(get_version=lambda: (12, 9))  # type: ignore[attr-defined]
        module = types.ModuleType("numba.cuda.cudadrv.driver")
        module.driver = types.SimpleNamespace(  # type: ignore[attr-defined]
            get_version=lambda: (12, 4), cuDeviceTotalMem=lambda number: [80 * 2**30][number]
        )
        monkeypatch.setitem(sys.modules, "numba.cuda", fake)
        monkeypatch.setattr("numba.cuda", fake, raising=False)
        monkeypatch.setitem(sys.modules, "numba.cuda.cudadrv", types.ModuleType("numba.cuda.cudadrv"))
        monkeypatch.setitem(sys.modules, "numba.cuda.cudadrv.driver", module)
        monkeypatch.setattr(backend, "find_spec", lambda name: object())
        return self.says

    @pytest.mark.usefixtures("driver")
    def test_it_tells_devices_and_versions(self) -> None:
        assert look() == Cuda((DEVICE,), (12, 4), (12, 9))

    def test_it_tells_why_it_does_not_start(self, driver: types.SimpleNamespace) -> None:
        driver.available, driver.error = False, "\nCUDA driver library cannot be found.\n"
        assert look() == Cuda(missing=NO_DRIVER)

    def test_without_libraries_to_compile_with_it_still_starts(self, driver: types.SimpleNamespace) -> None:
        driver.available = False
        assert look().driver == (12, 4)
        assert "no libraries of CUDA" in look().missing


class TestChoice:
    def test_the_cpu_is_chosen_in_silence(self) -> None:
        told: list[str] = []
        assert choose("cpu", told.append).name == "cpu"
        assert not told

    @pytest.mark.usefixtures("device")
    @pytest.mark.parametrize("name", ["cuda", "auto"])
    def test_cuda_where_it_can_be_used(self, name: str) -> None:
        told: list[str] = []
        chosen = choose(name, told.append)
        assert chosen == Backend("cuda", "the device NVIDIA H100 can be used", "NVIDIA H100")
        assert chosen.facts == {"name": "cuda", "device": "NVIDIA H100"}
        assert told == ["backend cuda: the device NVIDIA H100 can be used"] * (name == "auto")

    @pytest.mark.usefixtures("without_package")
    def test_auto_says_why_it_is_the_cpu(self) -> None:
        told: list[str] = []
        assert choose("auto", told.append) == Backend("cpu", NOT_INSTALLED)
        assert told == [f"backend cpu: {NOT_INSTALLED}"]

    @pytest.mark.usefixtures("without_package")
    def test_cuda_that_is_missing_is_refused(self) -> None:
        with pytest.raises(UsageError) as refusal:
            choose("cuda")
        assert str(refusal.value) == f"--backend cuda cannot be used: {NOT_INSTALLED}"

    def test_an_unknown_one_offers_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError, match="did you mean 'cuda'"):
            choose("coda")


class TestStudies:
    @pytest.mark.usefixtures("without_package")
    @pytest.mark.parametrize("command", [RUN, (*RUN, "--shard", "0/2"), ("study", "all"), ("train", "--data", "iris")])
    def test_missing_cuda_is_one_sentence_and_nothing_is_written(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
    ) -> None:
        assert main([*command, "--backend", "cuda", "-o", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err == f"nnsim: error: --backend cuda cannot be used: {NOT_INSTALLED}\n"
        assert not (tmp_path / "out").exists()

    @pytest.mark.usefixtures("without_package")
    def test_auto_says_cpu_and_why(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*RUN, "--backend", "auto", "-o", str(tmp_path)]) == 0
        assert f"backend cpu: {NOT_INSTALLED}\n" in capsys.readouterr().err
        assert json.loads((tmp_path / "manifest.json").read_text())["backend"] == {"name": "cpu"}

    @pytest.mark.usefixtures("without_package")
    def test_a_file_and_a_variable_set_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "my.toml").write_text('backend = "cuda"')
        with_file = [*RUN, "--config", str(tmp_path / "my.toml"), "-o", str(tmp_path / "out")]
        assert main(with_file) == 2
        monkeypatch.setenv("NNSIM_STUDY_TOY_BACKEND", "auto")
        assert main(with_file) == 0
        capsys.readouterr()
        assert main([*with_file, "--backend", "cpu"]) == 0
        assert "backend" not in capsys.readouterr().err

    @pytest.mark.usefixtures("device")
    @pytest.mark.parametrize("kept", [True, False])
    def test_a_first_run_says_that_it_compiles(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: bool
    ) -> None:
        monkeypatch.setattr(compile_cache, "is_empty", lambda part=".": part == "kernels/cuda" and not kept)
        assert main([*RUN, "--backend", "cuda", "-o", str(tmp_path / "out")]) == 0
        assert ("CUDA kernels are compiled (first run only)" in capsys.readouterr().err) is not kept

    def test_the_manifest_names_the_device_and_the_tables_do_not(self, tmp_path: Path, device: Populations) -> None:
        on_device = run_study(toy_training.study, output=tmp_path / "cuda", backend="cuda")
        here = run_study(toy_training.study, output=tmp_path / "cpu")
        assert on_device.manifest["backend"] == {"name": "cuda", "device": "NVIDIA H100"}
        assert here.manifest["backend"] == {"name": "cpu"}
        assert toy.hashes(tmp_path / "cuda") == toy.hashes(tmp_path / "cpu")
        assert device.sizes == [4, 2]

    def test_a_run_goes_on_with_another_backend(self, tmp_path: Path, device: Populations) -> None:
        run_shard(toy_training.study, shard="0/2", output=tmp_path / "both", backend="cuda")
        assert device.sizes
        run_study(toy_training.study, output=tmp_path / "both")
        run_study(toy_training.study, output=tmp_path / "cpu")
        assert toy.hashes(tmp_path / "both") == toy.hashes(tmp_path / "cpu")

    @pytest.mark.usefixtures("without_package")
    def test_a_dry_run_needs_no_device(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*RUN, "--dry-run", "--backend", "cuda"]) == 0
        assert "8 trials" in capsys.readouterr().out

    def test_dasks_workers_have_no_device(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*RUN, "--dask", "tcp://a:1", "--backend", "auto", "-o", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err == (
            "nnsim: error: --dask measures on the CPUs of its workers: leave --backend auto out\n"
        )


class TestSubmission:
    def script(self, capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> str:
        words = ["submit", toy.__file__, "--shards", "2", "--dry-run", *options, "-o", str(folder / "out")]
        assert main(words) == 0
        return capsys.readouterr().out

    @pytest.mark.usefixtures("without_package")
    @pytest.mark.parametrize("name", ["cuda", "auto"])
    def test_shards_are_told_and_the_login_node_needs_no_device(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        text = self.script(capsys, tmp_path, "--backend", name, "--gres", "gpu:h100:1")
        (line,) = [line for line in text.splitlines() if line.endswith(" &")]
        words = shlex.split(line)
        assert words[words.index("--backend") + 1] == name
        assert text.count("#SBATCH --gres=gpu:h100:1\n") == 1  # the merge needs none

    def test_without_it_the_scripts_are_as_before(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        text = self.script(capsys, tmp_path)
        assert "--backend" not in text
        assert "--gres" not in text

    @pytest.mark.parametrize("gres", ["gpu:1; rm -rf ~", "gpu:", "-x", "gpu 1", ""])
    def test_devices_that_are_none_are_refused(self, gres: str) -> None:
        with pytest.raises(UsageError, match="--gres must be devices and how many, such as gpu:1"):
            Request("/a", "/b", ("study", "toy"), 2, "toy", "/log", gres=gres)


class TestTraining:
    WORDS = ("train", "--data", "iris", "--hidden", "4", "--epochs", "3", "-q")

    def test_it_gives_the_bytes_of_the_cpu(self, tmp_path: Path, device: Populations) -> None:
        for name in ("cpu", "cuda"):
            assert main([*self.WORDS, "--backend", name, "-o", str(tmp_path / name)]) == 0
        assert set(device.sizes) == {1}
        for name in ("history.csv", "model.safetensors", "metrics.json"):
            assert (tmp_path / "cpu" / name).read_bytes() == (tmp_path / "cuda" / name).read_bytes()

    def test_a_lost_device_is_one_sentence_and_the_cpu_goes_on(
        self,
        tmp_path: Path,
        device: Populations,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def lose(jobs: Any) -> Any:
            raise DeviceError("the device is lost")

        device.train = lose
        words = [*self.WORDS, "-o", str(tmp_path)]
        assert main([*words, "--backend", "cuda"]) == 3
        assert capsys.readouterr().err == "nnsim: error: the device is lost\n"
        assert main(words) == 0


class TestInfo:
    def test_a_device_is_described(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(environment, "look", lambda: Cuda((DEVICE,), (12, 4), (12, 9)))
        monkeypatch.setattr(environment, "version", lambda package: "0.30.4")
        monkeypatch.setenv("COLUMNS", "200")
        assert main(["info"]) == 0
        out = capsys.readouterr().out
        for text in (
            "NVIDIA H100 (compute capability 9.0, 80.0 GiB)",
            "driver for 12.4, libraries 12.9, numba-cuda 0.30.4",
            "can be used",
        ):
            assert text in out
        assert "cannot be used" not in out

    def test_json_holds_the_same(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(environment, "look", lambda: Cuda((DEVICE,), (12, 4), (12, 9)))
        assert main(["info", "--json"]) == 0
        gpu = json.loads(capsys.readouterr().out)["gpu"]
        assert (gpu["driver"], gpu["toolkit"], gpu["missing"]) == ("12.4", "12.9", "")
        assert gpu["devices"] == [{"name": "NVIDIA H100", "compute_capability": "9.0", "memory": 80 * 2**30}]

    def test_the_simulator_has_a_name_only(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
        assert main(["info"]) == 0
        assert "simulator" in capsys.readouterr().out
