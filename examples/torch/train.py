"""Trains a small convolutional network on handwritten digits with PyTorch, in one process or in several.

    python train.py [--epochs=8] [--batch=32] [--learning-rate=0.05] [--seed=7]
    torchrun --nproc-per-node=2 train.py

Under torchrun each process takes its share of every batch (DistributedDataParallel), on GPUs by NCCL and on
CPUs by gloo. The data are those of the example digits. The same data, parameters, packages, kind of
processor and number of processes give the same bytes, however often the training was interrupted.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

# cuBLAS adds in the same order each time only with a workspace of a fixed size; read once, when CUDA starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

DATA = Path(os.environ.get("TRAINYARD_DATA_DIGITS", "digits.csv"))
OUTPUT = Path(os.environ.get("TRAINYARD_OUTPUT_DIR", "output"))
METRICS = Path(os.environ.get("TRAINYARD_METRICS_FILE", OUTPUT / "metrics.jsonl"))
CHECKPOINTS = Path(os.environ.get("TRAINYARD_CHECKPOINT_DIR", OUTPUT / "checkpoints"))
RESUME_FROM = os.environ.get("TRAINYARD_RESUME_FROM")

# torchrun says who this process is; alone it is the first of one.
RANK = int(os.environ.get("RANK", 0))
LOCAL_RANK = int(os.environ.get("LOCAL_RANK", 0))
PROCESSES = int(os.environ.get("WORLD_SIZE", 1))

DEFAULTS = {"epochs": 8, "batch": 32, "learning-rate": 0.05, "seed": 7}


def read_parameters() -> dict:
    """The parameters of the command line, laid over the defaults."""
    parser = argparse.ArgumentParser(description="Trains a classifier of handwritten digits.")
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name}", dest=name, type=type(default), default=default)
    return vars(parser.parse_args())


def read_data() -> tuple[TensorDataset, TensorDataset]:
    """The rows to train with, and every fifth one, by which the model is measured."""
    table = np.loadtxt(DATA, delimiter=",", skiprows=1, dtype=np.float32)
    pixels = torch.from_numpy(table[:, :64] / 16).reshape(-1, 1, 8, 8)
    labels = torch.from_numpy(table[:, 64].astype(np.int64))
    held_out = torch.arange(len(table)) % 5 == 0
    return TensorDataset(pixels[~held_out], labels[~held_out]), TensorDataset(pixels[held_out], labels[held_out])


def make_model() -> nn.Sequential:
    convolution = nn.Conv2d(1, 16, kernel_size=3, padding=1)
    return nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10))


def newest_checkpoint() -> Path | None:
    """Of this run, when torchrun has started its processes again; else the one that Trainyard names."""
    own = sorted(CHECKPOINTS.glob("epoch-*.pt"))
    return own[-1] if own else Path(RESUME_FROM) if RESUME_FROM else None


def save(state: dict) -> None:
    """Writes a checkpoint beside its place and renames it: under its name it is always whole."""
    target = CHECKPOINTS / f"epoch-{state['epoch']:04}.pt"
    partial = target.with_name(f".{target.name}.partial")
    torch.save(state, partial)
    partial.rename(target)


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether it is so in any process: all have to do the same, or they wait for each other for ever."""
    if PROCESSES == 1:
        return flag
    flags = torch.tensor(int(flag), device=device)
    dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    return bool(flags.item())


@torch.no_grad()
def measure(model: nn.Module, data: TensorDataset, device: torch.device) -> dict:
    pixels, labels = (tensor.to(device) for tensor in data.tensors)
    answers = model(pixels)
    accuracy = (answers.argmax(1) == labels).float().mean().item()
    return {"loss": cross_entropy(answers, labels).item(), "accuracy": accuracy}


def train(parameters: dict, device: torch.device) -> nn.Module:
    """Trains to the last epoch, from the newest checkpoint on. Asked to stop by SIGTERM, it ends the epoch, then itself."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    torch.manual_seed(parameters["seed"])
    torch.use_deterministic_algorithms(True)

    rows, held_out = read_data()
    model = make_model().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=parameters["learning-rate"], momentum=0.9)
    done = 0
    if (path := newest_checkpoint()) is not None:
        # Tensors and whole numbers alone: a file that holds anything else, such as code, is refused.
        state = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state["momentum"], "param_groups": groups})
        done = state["epoch"]

    parallel = DistributedDataParallel(model) if PROCESSES > 1 else model
    # The order of the rows hangs on seed and epoch alone, so no state of it has to be kept.
    sampler = DistributedSampler(rows, PROCESSES, RANK, seed=parameters["seed"])
    batches = DataLoader(rows, parameters["batch"] // PROCESSES, sampler=sampler)
    for epoch in range(done + 1, parameters["epochs"] + 1):
        sampler.set_epoch(epoch)
        for pixels, labels in batches:
            optimizer.zero_grad()
            cross_entropy(parallel(pixels.to(device)), labels.to(device)).backward()
            optimizer.step()
        # Asked before the checkpoint is written: whoever asked then finds one that is newer.
        is_last = any_process(bool(asked), device)
        if RANK == 0:
            measured = measure(model, held_out, device)
            with METRICS.open("a") as metrics:
                metrics.write(json.dumps({"step": epoch, **measured}) + "\n")
            print(f"epoch {epoch}/{parameters['epochs']}: {measured}", flush=True)
            momentum = optimizer.state_dict()["state"]
            save({"epoch": epoch, "model": model.state_dict(), "momentum": momentum})
        if is_last:
            sys.exit(128 + signal.SIGTERM)
    return model


def main() -> None:
    parameters = read_parameters()
    for folder in (OUTPUT, CHECKPOINTS):
        folder.mkdir(parents=True, exist_ok=True)
    # Sums of floats depend on how many threads share them.
    torch.set_num_threads(1)
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", LOCAL_RANK) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    if PROCESSES > 1:
        dist.init_process_group("nccl" if on_gpu else "gloo")
    model = train(parameters, device)
    if RANK == 0:
        save_file(model.cpu().state_dict(), OUTPUT / "model.safetensors")
    if PROCESSES > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
