"""Tutorial: a server as tutorials on style transfer build it, to compare ours with. A program of its own.

FastAPI and LiteRT with Magenta's int8 pair: two pictures are uploaded, and for each request both networks are loaded
again. It has the benefit of every doubt: its handler is a plain function, so that requests are answered in threads side
by side, where tutorials block the event loop; LiteRT takes the threads it takes by default, one a request, which
on a busy server is the faster way; and there is no access log.
"""

from __future__ import annotations

import io
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from ai_edge_litert.interpreter import Interpreter
from fastapi import FastAPI, UploadFile
from fastapi.responses import Response
from PIL import Image

from impasto.bench.magenta_litert import magenta_file

__all__ = ["make_app"]


def make_app(folder: Path) -> FastAPI:
    """``POST /`` takes the pictures ``content`` and ``style`` and answers with the pastiche as JPEG.

    ``folder`` holds ``*prediction*.tflite`` and ``*transfer*.tflite``; the pastiche is as large as the latter makes
    it, 384x384 for Magenta's. Raises ``FileNotFoundError`` without them.
    """
    prediction, transfer = (magenta_file(folder, part) for part in ("prediction", "transfer"))
    app = FastAPI()

    @app.post("/")
    def paint(content: UploadFile, style: UploadFile) -> Response:
        network = _loaded(prediction)
        (wanted,) = network.get_input_details()
        code = _infer(network, [(wanted, _picture(style, wanted))])
        network = _loaded(transfer)
        # A style's code has no width.
        taken, wanted = sorted(network.get_input_details(), key=lambda detail: int(detail["shape"][2]))
        pastiche = _infer(network, [(taken, code), (wanted, _picture(content, wanted))])[0]
        data = io.BytesIO()
        Image.fromarray((255 * pastiche).clip(0, 255).astype(np.uint8)).save(data, "JPEG")
        return Response(data.getvalue(), media_type="image/jpeg")

    return app


def _loaded(file: Path) -> Any:
    interpreter = Interpreter(model_path=str(file))
    interpreter.allocate_tensors()
    return interpreter


def _infer(network: Any, given: list[tuple[Any, Any]]) -> Any:
    for detail, value in given:
        network.set_tensor(detail["index"], value)
    network.invoke()
    return network.get_tensor(network.get_output_details()[0]["index"])


def _picture(upload: UploadFile, wanted: Any) -> Any:
    """``(1, H, W, 3)`` in 0..1, of the size that the network takes."""
    _, height, width, _ = wanted["shape"]
    picture = Image.open(upload.file).convert("RGB").resize((int(width), int(height)))
    return np.asarray(picture, np.float32)[None] / 255


def _main() -> None:
    app = make_app(Path(sys.argv[1]))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sys.stderr.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
        sys.stderr.flush()
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listening])


if __name__ == "__main__":
    _main()
