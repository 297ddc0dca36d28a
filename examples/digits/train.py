"""Trains a classifier of handwritten digits and exports it to ONNX.

    python train.py [--epochs=20] [--learning-rate=0.1] [--hidden=64] [--seed=7]

Under Trainyard the data, the outputs and the metrics are where its environment variables say. Without
them it reads ./digits.csv (see make_data.py) and writes into ./output. The same data, parameters, lock
file and kind of processor give the same bytes, however often the training was interrupted and resumed.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

# Sums of floats depend on how many threads share them. One thread gives the same bits on any number
# of cores, and is faster for a model of this size. numpy reads this only once, when it is imported.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

DATA = Path(os.environ.get("TRAINYARD_DATA_DIGITS", "digits.csv"))
OUTPUT = Path(os.environ.get("TRAINYARD_OUTPUT_DIR", "output"))
METRICS = Path(os.environ.get("TRAINYARD_METRICS_FILE", OUTPUT / "metrics.jsonl"))
CHECKPOINTS = os.environ.get("TRAINYARD_CHECKPOINT_DIR")
RESUME_FROM = os.environ.get("TRAINYARD_RESUME_FROM")


# What a run outside Trainyard uses; trainyard.yml declares the same.
DEFAULTS = {"epochs": 20, "learning-rate": 0.1, "hidden": 64, "seed": 7}


def read_parameters() -> dict:
    """The parameters of the command line, laid over the defaults."""
    parser = argparse.ArgumentParser(description="Trains a classifier of handwritten digits.")
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name}", dest=name, type=type(default), default=default)
    return vars(parser.parse_args())


def train(parameters: dict, x: np.ndarray, y: np.ndarray, held_out: np.ndarray) -> Pipeline:
    """Fits scaler and network on the rows that are not held out; writes metrics and a checkpoint per epoch.

    Asked to stop by SIGTERM, it ends the epoch, and then itself.
    """
    scaler = MinMaxScaler().fit(x[~held_out])
    network = MLPClassifier(
        hidden_layer_sizes=(parameters["hidden"],),
        solver="sgd",
        batch_size=32,
        learning_rate_init=parameters["learning-rate"],
        # A number would shuffle the rows the same way in every epoch; a generator goes on.
        random_state=np.random.RandomState(parameters["seed"]),
    )
    scaled = scaler.transform(x)
    stop = StopRequest()
    done = restore(network, scaled[~held_out], y[~held_out]) if RESUME_FROM else 0
    # One line at a time reaches the file, so that whoever watches the run sees each epoch as it ends.
    epochs = parameters["epochs"]
    with METRICS.open("w", buffering=1) as metrics:
        for epoch in range(done + 1, epochs + 1):
            network.partial_fit(scaled[~held_out], y[~held_out], classes=np.arange(10))
            loss = log_loss(y[held_out], network.predict_proba(scaled[held_out]), labels=range(10))
            accuracy = network.score(scaled[held_out], y[held_out])
            metrics.write(json.dumps({"step": epoch, "loss": loss, "accuracy": accuracy}) + "\n")
            print(f"epoch {epoch}/{epochs}: loss {loss:.4f}, accuracy {accuracy:.4f}", flush=True)
            if CHECKPOINTS:
                # Asked before the checkpoint is written: whoever asked then finds one that is newer.
                is_last = stop.asked
                save(network, epoch)
                if is_last:
                    sys.exit(128 + signal.SIGTERM)
    return make_pipeline(scaler, network)


class StopRequest:
    """Whether SIGTERM has come. Without a folder for checkpoints it ends the program, as ever."""

    def __init__(self) -> None:
        self.asked = False
        if CHECKPOINTS:
            signal.signal(signal.SIGTERM, self.ask)

    def ask(self, *_: object) -> None:
        self.asked = True


def arrays(network: MLPClassifier) -> list[np.ndarray]:
    """All numbers that training changes: the weights, and the momentum of each."""
    return [*network.coefs_, *network.intercepts_, *network._optimizer.velocities]


def save(network: MLPClassifier, epoch: int) -> None:
    """Writes a checkpoint beside its place and renames it: under its name it is always whole."""
    kind, keys, *rest = network.random_state.get_state()
    target = Path(CHECKPOINTS, f"epoch-{epoch:04}.npz")
    partial = target.with_name(f".{target.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, *arrays(network), epoch=epoch, keys=keys, generator=json.dumps([kind, *rest]))
    partial.rename(target)


def restore(network: MLPClassifier, x: np.ndarray, y: np.ndarray) -> int:
    """Puts a network into the state of a checkpoint; returns the number of epochs that it has seen."""
    network.partial_fit(x[:32], y[:32], classes=np.arange(10))  # makes arrays of the right shapes
    with np.load(RESUME_FROM) as saved:
        for i, array in enumerate(arrays(network)):
            array[...] = saved[f"arr_{i}"]
        kind, *rest = json.loads(str(saved["generator"]))
        network.random_state.set_state((kind, saved["keys"], *rest))
        return int(saved["epoch"])


def export(model: Pipeline) -> bytes:
    """The model as ONNX, from raw pixels to `label` and `probabilities`: the server needs no scikit-learn."""
    pixels = FloatTensorType([None, 64])
    # Without `name` the graph is called after a random number, and no two exports are alike.
    graph = to_onnx(
        model, name="digits", initial_types=[("pixels", pixels)], options={"zipmap": False}, target_opset=17
    )
    # Their order is that of a set, which is another one in every few processes.
    graph.opset_import.sort(key=lambda opset: opset.domain)
    return graph.SerializeToString(deterministic=True)


def golden(model: Pipeline, x: np.ndarray, y: np.ndarray) -> list[dict]:
    """Requests with the answers that a server of this model has to give.

    One image of each digit, all ten at once, and a blank one. The answers come from scikit-learn, not
    from the ONNX file, so they prove the export too. Only the probabilities are asked for: the label
    depends on the environment's THRESHOLD, and every environment has to pass the same requests.
    """
    ten = np.stack([x[y == digit][0] for digit in range(10)])
    batches = [*ten[:, np.newaxis], ten, np.zeros((1, 64), np.float32)]
    return [golden_request(batch, model.predict_proba(batch)) for batch in batches]


def golden_request(pixels: np.ndarray, probabilities: np.ndarray) -> dict:
    """One request and its answer, in the words of the Open Inference Protocol, version 2."""
    request = {"inputs": [tensor("pixels", pixels)], "outputs": [{"name": "probabilities"}]}
    response = {"model_name": "digits", "outputs": [tensor("probabilities", probabilities)]}
    return {
        "request": {"method": "POST", "path": "/v2/models/digits/infer", "body": request},
        "response": {"status": 200, "body": response},
    }


def tensor(name: str, values: np.ndarray) -> dict:
    return {"name": name, "shape": list(values.shape), "datatype": "FP32", "data": values.ravel().tolist()}


def main() -> None:
    parameters = read_parameters()
    table = np.loadtxt(DATA, delimiter=",", skiprows=1, dtype=np.float32)
    x, y = table[:, :64], table[:, 64].astype(int)
    # Every fifth row, whatever the seed: runs with other seeds are measured on the same rows.
    held_out = np.arange(len(x)) % 5 == 0

    OUTPUT.mkdir(parents=True, exist_ok=True)
    model = train(parameters, x, y, held_out)
    (OUTPUT / "model.onnx").write_bytes(export(model))
    requests = golden(model, x[held_out], y[held_out])
    (OUTPUT / "golden.jsonl").write_text("".join(json.dumps(line) + "\n" for line in requests), newline="\n")


if __name__ == "__main__":
    main()
