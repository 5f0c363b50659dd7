"""What failed, told at once: a run that is cut off has said what it found."""

from __future__ import annotations

import pytest

__all__ = ["Failing"]


class Failing:
    """A plugin of the process that has the terminal; reports of all others come to it, too."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.ensure_newline()
            terminal.write_sep("_", f"{report.nodeid} ({report.when})", red=True)
            terminal.write_line(report.longreprtext)
            terminal.flush()
