"""Plugins: style losses, encoders and architectures that other installed packages bring, by their entry points.

Names are read when one is asked for, and nothing of a plugin is imported before it is used.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from impasto.errors import ModelError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUPS", "SHIPPED", "Group", "Plugin", "find_plugin", "plugin_names", "plugin_problems", "plugins"]

Group = Literal["impasto.losses", "impasto.encoders", "impasto.models"]

GROUPS: Mapping[Group, str] = MappingProxyType(
    {"impasto.losses": "loss", "impasto.encoders": "encoder", "impasto.models": "architecture"}
)
"""The groups of entry points, and what a plugin of each is."""

SHIPPED: Mapping[Group, tuple[str, ...]] = MappingProxyType(
    {
        "impasto.losses": ("moments", "gram", "wasserstein"),
        "impasto.encoders": (
            *("best", "own", "pocket", "vgg16", "vgg19"),
            *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "wide_resnet50_2"),
            *("inception_v3", "googlenet", "densenet121", "densenet169", "densenet201", "mobilenet_v2", "alexnet"),
        ),
        "impasto.models": ("johnson", "ghiasi", "graph", "impasto-instant", "impasto-style"),
    }
)
"""Names of our own, which no plugin may take, however they are written."""

_NAME = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(frozen=True, slots=True)
class Plugin:
    """What one entry point announces: its ``group`` and ``name``, and the ``package`` and ``version`` it is from."""

    group: Group
    name: str
    package: str
    version: str
    entry: EntryPoint

    @property
    def identity(self) -> str:
        """``name@version``, as results name it."""
        return f"{self.name}@{self.version}"

    def load(self) -> Any:
        """Import it. Raises :class:`ModelError` where that fails, whatever its package does then."""
        try:
            return self.entry.load()
        except Exception as error:
            raise self.failed(error) from error

    def failed(self, error: Exception) -> ModelError:
        """What to raise where its code raised ``error``."""
        words = " ".join(str(error).split())[:200]
        return ModelError(
            f"the {self} failed: {type(error).__name__}{words and ': ' + words}; mend or update that package, or "
            "uninstall it"
        )

    def refused(self, given: object, wanted: str) -> ModelError:
        """What to raise where it is, or gives, ``given`` in place of what is ``wanted``."""
        kind = given.__name__ if isinstance(given, type) else f"an object of {type(given).__name__}"
        return ModelError(f"the {self} is or gives {kind}; it has to be or give {wanted}")

    def __str__(self) -> str:
        return f"{GROUPS[self.group]} {self.name} of the package {self.package}"


def plugins(group: Group) -> tuple[Plugin, ...]:
    """Those that may be used, by name. Warns of each that may not, once a process."""
    for problem in plugin_problems(group):
        _warn(problem)
    return _read(group)[0]


def plugin_names(group: Group) -> tuple[str, ...]:
    """The names of those that may be used."""
    return tuple(plugin.name for plugin in plugins(group))


def find_plugin(group: Group, name: str) -> Plugin | None:
    """The plugin of that name; None where there is none that may be used."""
    return next((plugin for plugin in plugins(group) if plugin.name == name), None)


def plugin_problems(group: Group) -> tuple[str, ...]:
    """A sentence for every plugin that may not be used: a name that is ours, another's, or not a name."""
    return _read(group)[1]


@cache
def _read(group: Group) -> tuple[tuple[Plugin, ...], tuple[str, ...]]:
    # Its import takes longer than all of the command line's.
    from importlib.metadata import entry_points

    kind, found, problems = GROUPS[group], dict[str, list[Plugin]](), []
    ours = {_plain(name): name for name in SHIPPED[group]}
    for entry in entry_points(group=group):
        package, version = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "0")
        plugin = Plugin(group, entry.name, package, version, entry)
        if not _NAME.fullmatch(entry.name):
            problems.append(
                f"the package {package} names a plugin of {group} {entry.name[:80]!r}, which is not used; names are "
                "of letters, digits, _, - and ., and begin with a letter"
            )
        elif (own := ours.get(_plain(entry.name))) is not None:
            problems.append(
                f"the {plugin} is not used, for {own} is the name of one of Impasto's own; give it another name in "
                "that package, or uninstall it"
            )
        else:
            found.setdefault(_plain(entry.name), []).append(plugin)
    for same in found.values():
        if len(same) > 1:
            packages = " and ".join(sorted({plugin.package for plugin in same}))
            problems.append(f"no {kind} {same[0].name} is used, for {packages} bring one each; uninstall all but one")
    kept = sorted((same[0] for same in found.values() if len(same) == 1), key=lambda plugin: plugin.name)
    return tuple(kept), tuple(problems)


@cache
def _warn(problem: str) -> None:
    warnings.warn(problem, stacklevel=4)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
