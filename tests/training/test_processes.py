"""Two processes that train together: as one would, through deaths and preemption, and with one voice on bad input."""

import os
import re
import signal
import socket
import subprocess

import pytest
import torch
import transformers
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import BatchSampler

from emmental.common.errors import InputError
from emmental.common.run_folder import SEAL
from emmental.training import prune, seals
from emmental.training.config import SMPConfig
from emmental.training.processes import last_batches
from tests.helpers.tiny import (
    ROOT,
    command_line,
    data_flags,
    environment,
    run_command,
    save_tiny_bert,
    short_run,
    tiny_config,
    write_reviews,
)

ACCELERATE = ("accelerate", "launch", "--multi_gpu", "--num_processes", "2")  # as in the guide
MEASURED = ("runtime", "per_second", "flos")


@given(examples=st.integers(1, 60), per_process=st.integers(1, 6), processes=st.integers(1, 4))
def test_new_examples_of_the_last_batches(examples, per_process, processes):
    order = BatchSampler(range(examples), per_process, drop_last=False)
    last = [list(BatchSamplerShard(order, processes, index))[-1] for index in range(processes)]
    before = (len(list(BatchSamplerShard(order, processes, 0))) - 1) * per_process * processes
    seen = set(range(before))
    for index, batch in enumerate(last):
        new, everywhere = last_batches(examples, per_process, processes, index)
        assert everywhere == examples - before
        assert set(batch[:new]).isdisjoint(seen)
        seen |= set(batch[:new])
        assert seen.issuperset(batch)  # what stands behind the new ones fills up
    assert seen == set(range(examples))


TWO_GPUS = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="nccl takes a GPU for each of two processes")


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """53 examples to train and 13 to validate: no batch size divides them. Pools of 50 batches are cut to them, too."""
    folder = tmp_path_factory.mktemp("uneven")
    return {
        "train": write_reviews(folder / "train.csv", 53),
        "validation": write_reviews(folder / "dev.csv", 13, seed=1),
    }


def flags(batch, data, model, output_dir, epochs) -> list[str]:
    """The flags of tests/helpers/tiny.py's short run, for the script itself."""
    chosen = {
        "--task_name": "sst2", "--output_dir": output_dir, "--model_name_or_path": model, "--final_threshold": 0.25,
        "--per_device_train_batch_size": batch, "--per_device_eval_batch_size": 3, "--num_train_epochs": epochs,
        "--mask_scores_learning_rate": 5e-2, "--final_lambda": 10, "--eval_steps": 3, "--logging_steps": 1,
        "--report_to": "tensorboard",
    }  # fmt: skip
    words = [str(word) for pair in chosen.items() for word in pair]
    return [*words, "--magnitude_topk_threshold", *map(str, data_flags(data))]


def traced(launcher, batch, uneven, model, folder, *way, **variables):
    """Run tests/helpers/trace_masks.py in this folder; returns its curves and each process's masks."""
    folder.mkdir()
    script = ("tests/helpers/trace_masks.py", *way, *flags(batch, uneven, model, "out", 2))
    run = run_command((*launcher, *script), {"PYTHONPATH": str(ROOT)} | variables, folder)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("results of out") == 1
    assert {path.name for path in (folder / "out").iterdir()} == {
        "mask.safetensors", "all_results.json", "settings.json", "report.html", "density.png", "curves.png", "runs",
    }  # fmt: skip
    (logs,) = (folder / "out" / "runs").iterdir()
    assert len(list(logs.iterdir())) == 1  # of one process
    curves = EventAccumulator(str(logs)).Reload()
    scalars = {tag: [(e.step, e.value) for e in curves.Scalars(tag)] for tag in curves.Tags()["scalars"]}
    masks = [path.read_text().splitlines() for path in sorted(folder.glob("masks-*.txt"))]
    return {tag: points for tag, points in scalars.items() if not any(word in tag for word in MEASURED)}, masks


def mistakes(folder):
    """The report's table of them: each text beside its own answer."""
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    return re.search(r'<table class="cards">.*?</table>', page, re.DOTALL)[0]


@pytest.mark.parametrize("way", [(), ("at_once",)], ids=["layer by layer", "at once"])
def test_two_processes_train_as_one(way, uneven, tmp_path):
    model = save_tiny_bert(tmp_path / "bert", tiny_config(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    one, (alone,) = traced(("python",), 8, uneven, model, tmp_path / "one")
    two, masks = traced(ACCELERATE, 4, uneven, model, tmp_path / "two", *way)
    assert len(alone) == 2 * 7 + 1  # 6 full batches and one of 5 in each epoch; and before the first step
    assert masks == [alone, alone]
    assert mistakes(tmp_path / "two") == mistakes(tmp_path / "one")
    assert two.keys() == one.keys()
    assert {"train/loss", "train/task_loss", "train/regulariser", "eval/loss", "eval/accuracy"} <= one.keys()
    for tag, points in one.items():
        assert [step for step, _ in two[tag]] == [step for step, _ in points]
        assert [value for _, value in two[tag]] == pytest.approx([value for _, value in points], abs=1e-5), tag


def on_two_nodes(script_flags, folder):
    """Run the guide's torchrun line twice, as on two nodes, with a process each and these flags."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    (line,) = re.findall(
        r"^torchrun .*masked_run_glue\.py", (ROOT / "docs" / "guide" / "cluster.md").read_text(), re.MULTILINE
    )
    line = line.replace("node1:29400", address).replace("--nproc_per_node 8", "--nproc_per_node 1")
    nodes = [started((*line.split(), *script_flags), {}, folder) for _ in range(2)]
    for node in nodes:
        _, errors = node.communicate(timeout=300)
        assert node.returncode == 0, errors


def started(arguments, variables, folder):
    """The command, started, with its output to read."""
    return subprocess.Popen(
        command_line(arguments), cwd=folder, env=environment(variables | {"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def children(process) -> list[int]:
    """The processes that it started."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(number) for number in listed.stdout.split()]


def wait_for_step(process, step):
    """Read until the evaluation of this step shows; returns what was read."""
    read = []
    for line in process.stdout:
        read.append(line)
        if re.match(rf"step +{step} ", line):
            return "".join(read)
    raise AssertionError(f"step {step} never came:\n{process.stderr.read()}")


@TWO_GPUS
@pytest.mark.device
def test_two_gpus_train_as_one(uneven, tmp_path):
    """Rounding apart: sums of two halves are not the sums of a whole."""
    model = save_tiny_bert(tmp_path / "bert", tiny_config(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    one, _ = traced(("python",), 8, uneven, model, tmp_path / "one", CUDA_VISIBLE_DEVICES="0")
    two, masks = traced(ACCELERATE, 4, uneven, model, tmp_path / "two")
    assert len(masks[0]) == 2 * 7 + 1
    assert masks[0] == masks[1]
    for tag in ("train/loss", "eval/loss"):
        assert [value for _, value in two[tag]] == pytest.approx([value for _, value in one[tag]], rel=1e-2)


resumes_processes = pytest.mark.skipif(
    Version(transformers.__version__) < Version("5.18"),
    reason="transformers 5.17 cannot load the optimiser's state in several processes on CPUs",
)


@resumes_processes
def test_death_and_preemption_leave_no_trace(tiny_bert, reviews, tmp_path):
    arguments, variables = short_run(tiny_bert, reviews)
    variables |= {"NPROC": "2", "BATCH_SIZE": "4", "REPORT_TO": "none"}
    on_two_nodes(flags(4, reviews, tiny_bert, "whole", 3), tmp_path)

    process = started((*arguments, "--overwrite_output_dir"), variables, tmp_path)
    wait_for_step(process, 6)
    os.kill(children(process)[1], signal.SIGKILL)  # of two workers; torchrun starts both again
    assert re.search(r"resumes +checkpoint-[36]\n", wait_for_step(process, 9))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 143, errors
    stopped = re.search(r"SIGTERM: stopped after step (\d+) of 15 and saved (\S+);", errors)
    checkpoint = tmp_path / stopped[2]
    assert checkpoint.name == f"checkpoint-{stopped[1]}"
    assert {SEAL, "rng_state_0.pth", "rng_state_1.pth"} <= {path.name for path in checkpoint.iterdir()}

    resumed = run_command(arguments, variables, tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(rf"resumes +{checkpoint.name}\n", resumed.stdout)
    folder = checkpoint.parent
    assert (folder / "mask.safetensors").read_bytes() == (tmp_path / "whole" / "mask.safetensors").read_bytes()

    again = run_command(arguments, variables, tmp_path)  # finished by now
    assert again.returncode == 2
    assert again.stderr.count("error:") == 1
    assert "restart" not in again.stderr


@resumes_processes
def test_processes_die_with_their_launcher(tiny_bert, reviews, tmp_path):
    """Else they would wait for each other and hold the folder, and its run could not go on."""
    arguments, variables = short_run(tiny_bert, reviews)
    variables |= {"NPROC": "2", "BATCH_SIZE": "4", "REPORT_TO": "none"}
    process = started(arguments, variables, tmp_path)
    wait_for_step(process, 3)
    process.kill()
    process.communicate(timeout=60)  # ends when nobody is left who could print
    resumed = run_command(arguments, variables, tmp_path)
    assert resumed.returncode == 0, resumed.stderr


def test_preempted_alone(finished, tiny_bert, reviews, tmp_path):
    arguments, variables = short_run(tiny_bert, reviews)
    process = started(arguments, variables, tmp_path)
    wait_for_step(process, 6)
    process.send_signal(signal.SIGTERM)
    assert "SIGTERM: stopped after step" in process.communicate()[1]
    assert process.returncode == 143
    assert run_command(arguments, variables, tmp_path).returncode == 0
    resumed = (tmp_path / "models" / "sst2_0.25_mag" / "mask.safetensors").read_bytes()
    assert resumed == (finished[0] / "mask.safetensors").read_bytes()


def test_a_restarted_run_does_not_overwrite_itself(tmp_path, monkeypatch):
    config = SMPConfig(output_dir=str(tmp_path), overwrite_output_dir=True)
    for name in ("checkpoint-3", "checkpoint-6"):
        (tmp_path / name).mkdir()
    seals.seal(tmp_path / "checkpoint-3")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert prune.prepare_output(config, {"seed": 1}) == tmp_path / "checkpoint-3"
    assert not (tmp_path / "checkpoint-6").exists()  # half written
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert prune.prepare_output(config, {"seed": 1}) is None


def test_dataparallel_is_refused(tmp_path):
    config = SMPConfig(output_dir=str(tmp_path))
    config._n_gpu = 2
    with pytest.raises(InputError, match=r"2 GPUs in one process.*NPROC=2 or torchrun"):
        config.check()
