"""`import feature_eos` is the whole public surface, and the version is one."""

import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path

import pytest

import analytic
import feature_eos
import numerics
from feature_eos.cli import main


def test_the_front_has_every_public_name_of_both_halves():
    assert set(feature_eos.__all__) == {"__version__", *numerics.__all__, *analytic.__all__}
    assert not set(numerics.__all__) & set(analytic.__all__)
    for name in analytic.__all__:
        assert getattr(feature_eos, name) is getattr(analytic, name)
    for name in numerics.__all__:
        assert getattr(feature_eos, name) is getattr(numerics, name)


def test_sympy_waits_until_a_name_of_analytic_is_asked_for():
    statement = "import sys, feature_eos; assert 'sympy' not in sys.modules; feature_eos.reduced_equation"
    subprocess.run([sys.executable, "-c", statement], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        feature_eos.solv  # noqa: B018


def test_the_version_is_the_installed_one(capsys):
    assert feature_eos.__version__ == version("feature-eos")
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == f"feature-eos {version('feature-eos')}"


def documented():
    """Names on the API pages, with the page's module in front where it has one."""
    for page in sorted((Path(__file__).parent.parent / "docs" / "api").glob("*.md")):
        yield from re.findall(r"auto(?:function|class|exception):: ([\w.]+)", page.read_text())


def test_the_api_pages_document_the_surface():
    names = list(documented())
    assert len(names) > 40
    for name in names:
        package, _, rest = name.partition(".")
        if package == "feature_eos":
            assert attrgetter(rest)(feature_eos) is not None, name
            continue
        module, _, rest = name.rpartition(".")  # a type that only results have
        assert getattr(import_module(module), rest) is not None, name
    shown = {name.removeprefix("feature_eos.") for name in names}
    modules = {"activations", "datasets", "pixels", "plots", "reduced"}
    constants = {"__version__", "ACTIVATIONS", "THEORIES", "progress_bar"}
    assert set(feature_eos.__all__) - modules - constants - shown == set()
