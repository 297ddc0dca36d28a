"""Trains a classifier of handwritten digits and exports it to ONNX.

    python train.py [--epochs=20] [--learning-rate=0.1] [--hidden=64] [--seed=7]

Under Trainyard the data, the outputs and the metrics are where its environment variables say. Without
them it reads ./digits.csv (see make_data.py) and writes into ./output. The same data, parameters, lock
file and kind of processor give the same bytes.
"""

import argparse
import json
import os
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


# What a run outside Trainyard uses; trainyard.yml declares the same.
DEFAULTS = {"epochs": 20, "learning-rate": 0.1, "hidden": 64, "seed": 7}


def read_parameters() -> dict:
    """The parameters of the command line, laid over the defaults."""
    parser = argparse.ArgumentParser(description="Trains a classifier of handwritten digits.")
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name}", dest=name, type=type(default), default=default)
    return vars(parser.parse_args())


def train(parameters: dict, x: np.ndarray, y: np.ndarray, held_out: np.ndarray) -> Pipeline:
    """Fits scaler and network on the rows that are not held out; writes a line of metrics per epoch."""
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
    # One line at a time reaches the file, so that whoever watches the run sees each epoch as it ends.
    epochs = parameters["epochs"]
    with METRICS.open("w", buffering=1) as metrics:
        for epoch in range(1, epochs + 1):
            network.partial_fit(scaled[~held_out], y[~held_out], classes=np.arange(10))
            loss = log_loss(y[held_out], network.predict_proba(scaled[held_out]), labels=range(10))
            accuracy = network.score(scaled[held_out], y[held_out])
            metrics.write(json.dumps({"step": epoch, "loss": loss, "accuracy": accuracy}) + "\n")
            print(f"epoch {epoch}/{epochs}: loss {loss:.4f}, accuracy {accuracy:.4f}", flush=True)
    return make_pipeline(scaler, network)


def export(model: Pipeline) -> bytes:
    """The model as ONNX, from raw pixels to `label` and `probabilities`: the server needs no scikit-learn."""
    pixels = FloatTensorType([None, 64])
    # Without `name` the graph is called after a random number, and no two exports are alike.
    graph = to_onnx(
        model, name="digits", initial_types=[("pixels", pixels)], options={"zipmap": False}, target_opset=17
    )
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
