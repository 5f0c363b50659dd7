"""What is told of running jobs."""

from __future__ import annotations

import json
import math
from typing import Any

from impasto.jobs.live import Live


def test_losses_that_are_no_numbers_are_told_as_null() -> None:
    live, told = Live(lambda owner, after: [], lambda owner: 0), list[Any]()
    live.listen(lambda owner, message: told.append(message))
    live.begin("anna", "one")
    losses = {"gram": math.nan, "content": 2.0}
    report = {"step": 3, "losses": losses, "trace": [{"step": 3, "loss": math.inf, "losses": losses}], "preview": None}
    live.told("anna", "one", report, 0.5)
    assert live.progress("anna", "one")["losses"] == {"gram": None, "content": 2.0}
    assert live.trace("anna", "one") == [{"step": 3, "loss": None, "losses": {"gram": None, "content": 2.0}}]
    assert "NaN" not in json.dumps(told[0]["data"], allow_nan=False)
