"""The Gradio demo is short, and its page paints."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_server import picture

DEMO = Path(__file__).parents[1] / "examples" / "gradio_demo.py"

# As a visitor's page does it: over HTTP, by Gradio's own client, at a port of this machine.
VISIT = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import gradio_demo
import gradio_client
from PIL import Image

_, address, _ = gradio_demo.demo.launch(prevent_thread_lock=True, quiet=True)
client = gradio_client.Client(address, verbose=False)
for style, strength in (("starry-night", 1), ("udnie", 0.5), ("udnie", 0)):
    made = client.predict(gradio_client.handle_file("photo.png"), style, strength, api_name="/paint")
    path = made if isinstance(made, str) else made["path"]
    print(style, Image.open(path).size)
gradio_demo.demo.close()
"""


def test_it_is_ten_lines() -> None:
    text = DEMO.read_text("utf-8")
    code = text.replace(ast.get_docstring(ast.parse(text), clean=False) or "", "")
    assert len([line for line in code.splitlines() if line.strip() and '"""' not in line]) == 10


@pytest.mark.skipif(find_spec("gradio") is None, reason="gradio is not installed: pip install gradio")
def test_its_page_paints(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(picture(3, 80))
    environment = {**os.environ, "IMPASTO_HOME": str(tmp_path / "home"), "GRADIO_ANALYTICS_ENABLED": "False"}
    command = [sys.executable, "-c", VISIT, str(DEMO.parent)]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert re.findall(r"^(\S+) \(80, 80\)$", ran.stdout, re.MULTILINE) == ["starry-night", "udnie", "udnie"]
