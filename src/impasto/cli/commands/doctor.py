"""``impasto doctor``."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import Any

import click

from impasto.cli.installed_packages import EXTRAS, version
from impasto.cli.ui import terminal
from impasto.errors import ImpastoError
from impasto.plugins import GROUPS, plugin_problems, plugins

__all__ = ["check_installation", "doctor"]

_GIB = 2**30


@click.command(short_help="Check this installation and this machine.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(as_json: bool) -> None:
    """Check this installation and this machine: processor, runtime, models, gallery, optional parts.

    \b
    impasto doctor
    impasto doctor --json

    Exit status: 0 Impasto can work here, 1 something it needs is broken.
    """
    report = check_installation()
    if as_json:
        terminal.emit(report, indent=2)
    else:
        _draw(report)
    if not report["ok"]:
        raise click.exceptions.Exit(1)


def check_installation() -> dict[str, Any]:
    """Everything there is to say, as JSON values; ``ok`` tells whether Impasto can work here."""
    machine, runtime, models, gallery = _machine(), _runtime(), _models(), _gallery()
    # The user's own models can be fetched again; what ships is what Impasto cannot do without.
    parts = (machine, runtime, gallery, *(model for model in models if model["shipped"]))
    return {
        "ok": bool(models) and all(part.get("error") is None for part in parts),
        "impasto": version("impasto"),
        "machine": machine,
        "runtime": runtime,
        "models": models,
        "store": _store(),
        "gallery": gallery,
        "plugins": _plugins(),
        "extras": [{"name": e.name, "gives": e.gives, "found": e.found, "install": e.install} for e in EXTRAS],
    }


def _machine() -> dict[str, Any]:
    try:
        from impasto.inference.machine import describe

        return {**asdict(describe()), "error": None}
    except Exception as error:  # a doctor reports whatever is broken, and goes on
        return {"error": _error_text(error)}


def _runtime() -> dict[str, Any]:
    """Open the smallest graph there is: only that tells what runs, and that it does."""
    try:
        from impasto.inference.graph import open_graph
        from impasto.models import models

        model = next(model for model in models() if model.kind == "arbitrary" and "encoder" in model.files)
        graph = open_graph(model.file("encoder"), ["code"])
    except StopIteration:
        return {"name": None, "version": None, "precision": None, "error": "no model to try it with"}
    except Exception as error:
        return {"name": "openvino", "version": version("openvino"), "precision": None, "error": _error_text(error)}
    found = version(graph.runtime) or version(f"{graph.runtime}-gpu")
    return {"name": graph.runtime, "version": found, "precision": graph.precision, "error": None}


def _models() -> list[dict[str, Any]]:
    from impasto.models import models
    from impasto.models.store import shipped

    try:
        found, ours = models(), {model.path for model in shipped()}
    except ImpastoError as error:
        return [{"model": "", "licence": "", "files": [], "shipped": True, "error": str(error)}]
    reports = []
    for model in found:
        problem = None
        try:
            model.verify()
        except ImpastoError as error:
            problem = str(error)
        files = [dict(file) for file in model.files.values()]
        reports.append(
            {
                "model": model.identity,
                "licence": model.licence,
                "files": files,
                "shipped": model.path in ours,
                "error": problem,
            }
        )
    return reports


def _store() -> dict[str, Any]:
    from impasto.models import Store

    try:
        return {"problems": list(Store().problems())}
    except ImpastoError:
        return {"problems": []}  # of a model that ships, which is told already


def _gallery() -> dict[str, Any]:
    try:
        from impasto.styles import Gallery

        gallery = Gallery()
        return {"styles": len(gallery.names()), "problems": [str(p) for p in gallery.problems()], "error": None}
    except Exception as error:
        return {"styles": 0, "problems": [], "error": _error_text(error)}


def _plugins() -> dict[str, Any]:
    """Each is imported: only that tells whether it can be. A broken one is the matter of its package."""
    found: list[dict[str, str]] = []
    problems: list[str] = []
    for group, kind in GROUPS.items():
        problems += plugin_problems(group)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are among the problems
            brought = plugins(group)
        for plugin in brought:
            found.append({"kind": kind, "name": plugin.name, "package": plugin.package, "version": plugin.version})
            try:
                plugin.load()
            except ImpastoError as error:
                problems.append(str(error))
    return {"found": found, "problems": problems}


def _draw(report: dict[str, Any]) -> None:
    machine, runtime, gallery = report["machine"], report["runtime"], report["gallery"]
    _line("impasto", report["impasto"] or "not installed, run from its source")
    if machine["error"]:
        _bad("machine", machine["error"])
    else:
        _line("python", f"{machine['python']} on {machine['platform']}")
        _line("processor", f"{machine['processor']}, {terminal.amount(machine['cores'], 'core')}")
        _line("", " ".join(machine["features"]) or "no instruction sets of note")
        free, total = machine["memory_free"] / _GIB, machine["memory_total"] / _GIB
        _line("memory", f"{free:.1f} GiB free of {total:.1f}")
    if runtime["error"]:
        _bad("runtime", runtime["error"])
    else:
        _good("runtime", f"{runtime['name']} {runtime['version']}, {runtime['precision']}")
    for model in report["models"]:
        if model["error"] and model["shipped"]:
            _bad("model", model["error"])
        elif model["error"]:
            _warn("model", model["error"])
        else:
            hashes = ", ".join(f"{f['file']} {f['sha256'][:12]}" for f in model["files"])
            _good("model", f"{model['model']}, {model['licence']}")
            _line("", f"sha256 right: {hashes}")
    for problem in report["store"]["problems"]:
        _warn("model", problem)
    if not report["models"]:
        _bad("model", "there is none; reinstall impasto")
    if gallery["error"]:
        _bad("gallery", gallery["error"])
    else:
        _good("gallery", terminal.amount(gallery["styles"], "style"))
    for problem in gallery["problems"]:
        _warn("", problem)
    for plugin in report["plugins"]["found"]:
        _line("plugin", f"{plugin['kind']} {plugin['name']}, of {plugin['package']} {plugin['version']}")
    for problem in report["plugins"]["problems"]:
        _warn("plugin", problem)
    for extra in report["extras"]:
        _line(extra["name"], extra["found"] or f"for {extra['gives']}: {extra['install']}")
    click.echo()
    click.echo(
        "Impasto can work here." if report["ok"] else "Something Impasto needs is broken: see the lines marked x."
    )


def _line(name: str, text: str, mark: str = "  ") -> None:
    click.echo(f"{mark}{click.style(name.ljust(10), dim=True)} {text}")


def _good(name: str, text: str) -> None:
    _line(name, text, click.style("+ ", fg="green"))


def _bad(name: str, text: str) -> None:
    _line(name, text, click.style("x ", fg="red", bold=True))


def _warn(name: str, text: str) -> None:
    _line(name, text, click.style("! ", fg="yellow"))


def _error_text(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
