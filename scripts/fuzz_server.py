"""Ask a server thousands of things that nobody would think of, with photographs among them, and find what it fails at.

usage: fuzz_server.py [--examples 350] [--seed 1] [--compat] [--home FOLDER]

No answer may be a failure of the server's, or one that the documentation does not know: its status, its type or its
JSON. So many examples are of each operation, and of sequences of them; 350 are more than ten thousand in all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
_PATIENCE = 120
"""Seconds that an answer may take."""
_PICTURES = ("content", "style", "picture", "mask", "guide", "initial", "file", "content_image", "style_image")
_SIDES = (16, 31, 48, 80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=350)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compat", action="store_true", help="the doors of other programs alone")
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    from serving import Served
    from test_server import wait

    home = given.home or Path(tempfile.mkdtemp(prefix="impasto-fuzz-"))
    with Served(home, *(["--compat"] if given.compat else [])) as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.address}/openapi.json"]
        # The stream of events does not end.
        command += (
            ["--exclude-path-regex", "^/(v1|healthz|readyz)"] if given.compat else ["--exclude-path", "/v1/events"]
        )
        command += ["--checks", _CHECKS, "--max-examples", str(given.examples), "--seed", str(given.seed)]
        command += ["--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure", "--no-color"]
        command += ["--request-timeout", str(_PATIENCE)]
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"SCHEMATHESIS_HOOKS": Path(__file__).stem, "PYTHONPATH": path}
        status = subprocess.run(command, cwd=home, env=environment).returncode
    # Some are replaced for their age or their memory, and are not lost.
    lost = (home / "said.txt").read_text("utf-8", "replace").count(" was lost: ")
    print(json.dumps({"status": status, "workers lost": lost, "load": round(os.getloadavg()[0], 1)}))
    sys.exit(bool(status or lost))


def with_pictures(_: Any, case: Any, __: Any) -> None:
    """Put photographs in the place of most files' noise, and leave out most settings: of much that is wrong, only
    the first is ever looked at."""
    from kills import picture

    if not isinstance(case.body, dict) or random.random() < 0.2:
        return
    others = [name for name in case.body if name not in (*_PICTURES, "name")]
    for name in random.sample(others, max(0, len(others) - random.randrange(4))):
        del case.body[name]
    if case.body.get("kind") != "train-style" and "picture" not in case.body:
        case.body.pop("name", None)
    for name in [name for name in _PICTURES[3:6] if random.random() < 0.7]:
        case.body.pop(name, None)
    for name in set(_PICTURES) & set(case.body):
        if name == "style" and random.random() < 0.7:
            case.body[name] = [random.choice(("udnie", "starry-night", "the-wave"))]
        elif name in ("content", "style", "picture") or random.random() < 0.5:
            data = picture(random.randrange(9), random.choice(_SIDES))
            case.body[name] = [data] if isinstance(case.body[name], list) else data


if __name__ == "__main__":
    main()
else:
    import schemathesis

    schemathesis.hook("before_call")(with_pictures)
