"""The public surface, exactly: what is added or taken away here is a decision."""

from __future__ import annotations

import inspect

import pytest

import impasto
from impasto import errors
from impasto.request import options


def test_names() -> None:
    assert sorted(impasto.__all__) == [
        "Client",
        "Gallery",
        "ImpastoError",
        "Picture",
        "Progress",
        "Request",
        "Result",
        "Style",
        "StyleCard",
        "Stylizer",
        "__version__",
        "stylize",
        "take_turns",
    ]
    assert dir(impasto) == sorted(impasto.__all__)
    for name in impasto.__all__:
        assert getattr(impasto, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        _ = impasto.paint


def test_everything_public_is_documented() -> None:
    for name in set(impasto.__all__) - {"__version__"}:
        thing = getattr(impasto, name)
        assert inspect.getdoc(thing), name
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, (property, classmethod))):
                assert inspect.getdoc(getattr(thing, member, value)), f"{name}.{member}"


def test_settings() -> None:
    assert {o.name: o.default for o in options()} == {
        "engine": "instant",
        "model": None,
        "strength": 1.0,
        "boldness": 0.5,
        "size": None,
        "resize": None,
        "style_scale": 1.0,
        "colors": "style",
        "skin": "keep",
        "seed": 0,
        "precision": "auto",
        "deterministic": False,
        "format": None,
        "quality": 92,
        "bits": 8,
        "keep_metadata": False,
        "max_pixels": 50_000_000,
        "encoder": "pocket",
        "steps": 20,
        "coarse_steps": 1.5,
        "seconds": None,
        "flat": None,
        "optimiser": "lbfgs",
        "learning_rate": 0.02,
        "history": None,
        "start": "recoloured",
        "levels": None,
        "scales": None,
        "average": None,
        "content_weight": 3.0,
        "style_weight": 1.0,
        "tv_weight": 0.0,
        "tv_power": 1.0,
        "content_layers": None,
        "style_layers": None,
        "content_loss": "cosine",
        "style_loss": "moments:5,gram:2",
        "loss_scale": "relative",
        "style_fit": "whole",
        "size_side": "longest",
        "pooling": "max",
        "padding": "replicate",
        "tile": None,
        "preview_every": 0,
    }
    assert all(o.help.endswith(".") for o in options())


def test_error_codes_are_stable_and_unlike() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert issubclass(kind, impasto.ImpastoError)
        assert f"{kind.code} " in (errors.__doc__ or "") or kind is impasto.ImpastoError
        assert 400 <= kind.status <= 599
