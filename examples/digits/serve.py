"""Serves the digits model over the Open Inference Protocol, version 2 (REST).

    python serve.py --model model.onnx --port 8080

POST /v2/models/digits/infer takes `pixels` (FP32 [n, 64], each from 0 to 16) and answers `label`
(INT64 [n]) and `probabilities` (FP32 [n, 10]). The settings come from environment variables, see
config.schema.json. Every error is JSON: {"error": "what to do about it"}.
"""

import argparse
import hmac
import json
import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime

# The settings of one environment; config.schema.json says what may stand in them.
THRESHOLD = float(os.environ.get("THRESHOLD", "0"))
BATCH_LIMIT = int(os.environ.get("BATCH_LIMIT", "256"))
LOG_LEVEL = os.environ.get("LOG_LEVEL", "info").upper()
API_KEY = os.environ.get("API_KEY", "")

MODEL = "/v2/models/digits"
INPUT = {"name": "pixels", "datatype": "FP32", "shape": [-1, 64]}
OUTPUTS = [
    {"name": "label", "datatype": "INT64", "shape": [-1]},
    {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
]

LARGEST_BODY = 8 * 1024 * 1024  # bytes; the largest BATCH_LIMIT needs about 5 MiB
UNSURE = -1  # the label where no probability reaches THRESHOLD

# The port opens only after the model is loaded: who gets an answer at all, gets "ready".
STATE = {
    "GET /v2": {"name": "digits", "version": "1", "extensions": []},
    "GET /v2/health/live": {"live": True},
    "GET /v2/health/ready": {"ready": True},
    f"GET {MODEL}": {"name": "digits", "platform": "onnxruntime_onnx", "inputs": [INPUT], "outputs": OUTPUTS},
    f"GET {MODEL}/ready": {"name": "digits", "ready": True},
}


class Refused(Exception):
    """The request is at fault: the status to answer, and a message that says how to mend it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def load_model(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # Requests run side by side already; more threads for each would only get in their way.
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def infer(model: onnxruntime.InferenceSession, request: dict) -> dict:
    """The answer to one inference request. Raises Refused when it is not of the protocol's form."""
    wanted = wanted_outputs(request)
    label, probabilities = model.run(["label", "probabilities"], {"pixels": read_pixels(request)})
    label = np.where(probabilities.max(axis=1) >= THRESHOLD, label, UNSURE)
    outputs = [
        {**output, "shape": list(values.shape), "data": values.ravel().tolist()}
        for output, values in zip(OUTPUTS, [label, probabilities], strict=True)
        if output["name"] in wanted
    ]
    answer = {"model_name": "digits", "outputs": outputs}
    return {**answer, "id": request["id"]} if isinstance(request.get("id"), str) else answer


def wanted_outputs(request: dict) -> list[str]:
    """The names of the outputs to answer: those that the request lists, else all."""
    known = [output["name"] for output in OUTPUTS]
    try:
        names = [output["name"] for output in request.get("outputs") or OUTPUTS]
    except (TypeError, KeyError):
        raise Refused(400, '"outputs" must be a list of objects with a "name"') from None
    if any(name not in known for name in names):
        raise Refused(400, f'the "name" of an output must be one of {", ".join(known)}')
    return names


def read_pixels(request: dict) -> np.ndarray:
    """The request's one input as FP32 [n, 64], with n from 1 to BATCH_LIMIT."""
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Refused(400, f'"inputs" must be a list of one tensor, like {json.dumps(INPUT)} with "data"')
    tensor = inputs[0]
    for key in ("name", "datatype"):
        if tensor.get(key) != INPUT[key]:
            raise Refused(400, f'the "{key}" of the input must be "{INPUT[key]}"')
    shape = tensor.get("shape")
    if not isinstance(shape, list) or [type(n) for n in shape] != [int, int] or shape[1] != 64:
        raise Refused(400, 'the "shape" of the input must be [n, 64]')
    if not 1 <= shape[0] <= BATCH_LIMIT:
        raise Refused(400, f"a request may hold 1 to {BATCH_LIMIT} images (BATCH_LIMIT); found {shape[0]}")
    try:
        values = np.asarray(tensor.get("data"))
    except (ValueError, OverflowError):  # rows of unequal length, integers beyond any float
        values = np.empty(0)
    # Kinds i, u and f are numbers: strings, null, booleans and integers beyond 64 bits are others.
    if values.dtype.kind not in "iuf" or values.size != shape[0] * 64:
        raise Refused(400, f'"data" must hold {shape[0] * 64} numbers, as the "shape" says')
    if not np.all((values >= 0) & (values <= 16)):
        raise Refused(400, "a pixel must be a number from 0 (white) to 16 (black)")
    return values.astype(np.float32).reshape(shape)


class Server(ThreadingHTTPServer):
    """Knows how many requests are in hand, so that it can stop without cutting one off."""

    request_queue_size = 128  # connections that wait to be accepted; the library's 5 refuses a burst

    def __init__(self, port: int, model: onnxruntime.InferenceSession) -> None:
        self.model = model
        self.answers = Counter()  # by status
        self.in_hand = 0
        self.changed = threading.Condition()  # guards the two above
        super().__init__(("127.0.0.1", port), Handler)

    @contextmanager
    def request(self) -> Iterator[None]:
        with self.changed:
            self.in_hand += 1
        try:
            yield
        finally:
            with self.changed:
                self.in_hand -= 1
                self.changed.notify_all()

    def wait_until_idle(self, seconds: float) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.in_hand == 0, timeout=seconds)

    def metrics(self) -> str:
        """How many requests were answered, by status, in the text format of Prometheus."""
        with self.changed:
            answers = sorted(self.answers.items())
        lines = [f'digits_requests_total{{code="{status}"}} {count}\n' for status, count in answers]
        return "# TYPE digits_requests_total counter\n" + "".join(lines)

    def handle_error(self, request, client_address) -> None:
        # A client that goes away in the middle is its own business, not a fault of the server.
        logging.debug("connection lost", exc_info=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open between requests
    wbufsize = -1  # sends headers and body together; apart, the second waits for the first's receipt
    timeout = 120  # seconds without a byte; longer than a proxy keeps an idle connection
    server: Server

    def answer_request(self) -> None:
        with self.server.request():
            self.send(*self.find_answer())

    do_GET = do_POST = answer_request

    def find_answer(self) -> tuple[int, str, str]:
        try:
            body = self.read_body()
            return self.route(f"{self.command} {self.path.partition('?')[0]}", body)
        except Refused as refused:
            return refused.status, "application/json", json.dumps({"error": str(refused)})
        except (ConnectionError, TimeoutError):  # nobody is left to answer
            raise
        except Exception:
            logging.exception("the request could not be answered")
            return 500, "application/json", '{"error": "internal error; see the log of the server"}'

    def route(self, method_and_path: str, body: bytes) -> tuple[int, str, str]:
        if method_and_path == f"POST {MODEL}/infer":
            return 200, "application/json", json.dumps(infer(self.server.model, read_json(body)))
        if method_and_path == "GET /metrics":
            self.check_key()
            return 200, "text/plain; version=0.0.4", self.server.metrics()
        if method_and_path not in STATE:
            raise Refused(404, f"no {method_and_path} here; inference is POST {MODEL}/infer")
        return 200, "application/json", json.dumps(STATE[method_and_path])

    def check_key(self) -> None:
        """Refuses a request without API_KEY. Without a key in the settings there are no metrics at all."""
        if not API_KEY:
            raise Refused(404, "metrics are off: this environment has no API_KEY")
        given = self.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {API_KEY}".encode()):
            raise Refused(401, 'send the header "authorization: Bearer API_KEY"')

    def read_body(self) -> bytes:
        length = self.headers.get("content-length", "0")
        # What is not read of this request would be taken for the next one.
        self.close_connection, keep = True, self.close_connection
        if "transfer-encoding" in self.headers:
            raise Refused(411, "send the body with a content-length, not in chunks")
        if not (length.isascii() and length.isdigit()):
            raise Refused(400, "content-length must be a number")
        if len(length) > 12 or int(length) > LARGEST_BODY:
            raise Refused(413, f"a body may have {LARGEST_BODY} bytes at most")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionResetError("the client left before the end of its request")
        self.close_connection = keep
        return body

    def send(self, status: int, kind: str, body: str) -> None:
        data = body.encode()
        with self.server.changed:
            self.server.answers[status] += 1
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Called by the library for what is not HTTP; its own answer would be a page of HTML."""
        self.close_connection = True
        self.send(code, "application/json", json.dumps({"error": message or self.responses[code][0]}))

    def log_message(self, format: str, *values: object) -> None:
        logging.debug(format, *values)


def read_json(body: bytes) -> dict:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise Refused(400, "the body must be a JSON object")
    return request


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the digits model.")
    parser.add_argument("--model", required=True, help="path of model.onnx")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    arguments = parser.parse_args()

    logging.basicConfig(level=LOG_LEVEL, format="%(levelname)s %(message)s")
    server = Server(arguments.port, load_model(arguments.model))
    for name in (signal.SIGTERM, signal.SIGINT):
        # `shutdown` waits for the loop below to end, so this thread can't be the one that calls it.
        signal.signal(name, lambda *_: threading.Thread(target=server.shutdown).start())
    logging.info("serving http://127.0.0.1:%d with threshold %s", server.server_port, THRESHOLD)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    server.wait_until_idle(seconds=10)


if __name__ == "__main__":
    main()
