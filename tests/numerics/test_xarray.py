"""Solutions and paths as Datasets: every variable says what it is, and nothing is lost."""

import math
import subprocess
import sys

import numpy as np
import pytest
from deep_problems import NETWORKS, small
from mutants import breaks

from numerics import fcn, solve, solve_path

xarray = pytest.importorskip("xarray")

NOISE = 0.05


def deep(outputs=2, theory="mean_field"):
    net, flat = NETWORKS["two convolutions"]
    X, y = small(flat)
    noise = np.full(len(X), NOISE)
    noise[3] = math.inf
    return solve(net, X, y if outputs == 2 else y[:, 0], noise, theory=theory)


@pytest.fixture(scope="module")
def cavity():
    X, y = small(True)
    return solve_path(fcn(20), X, y, NOISE, [math.inf, 20], theory="cavity", draws=256)


def back(table):
    """Through plain dictionaries, which is all that a file keeps."""
    return xarray.Dataset.from_dict(table.to_dict())


def assert_described(table):
    for name in table.variables:
        assert set(table[name].attrs) == {"long_name", "units", "definition"}, name
        assert all(table[name].attrs.values()), name
    xarray.testing.assert_identical(back(table), table)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_solution_is_a_table(outputs):
    sol = deep(outputs)
    table = sol.to_xarray()
    assert_described(table)
    assert dict(table.sizes) == {"datum": 14, "output": outputs, "layer": 2, "feature": 3, "feature_": 3}
    for name in ("alpha", "free_energy", "log_evidence", "readout_load", "Sigma", "chi_paper"):
        np.testing.assert_array_equal(table[name], getattr(sol, name))
    for name in ("eps", "f_bar"):
        np.testing.assert_array_equal(table[name], getattr(sol, name).reshape(14, outputs))
    assert float(table.KL + table.fit + table.complexity + table.fan_in) == pytest.approx(sol.free_energy)
    assert table.attrs["theory"] == "mean_field"
    assert str(table.status.values) == "CONVERGED"


@breaks(
    "numerics/solutions/tables.py",
    "reshape(pixels, n, pixels, n)",
    "reshape(n, pixels, n, pixels)",
    "kernels with the datum the slow index",
)
def test_kernels_stand_over_pixel_and_datum():
    """The readout's kernel is a sum over the pixels that the last layer's table names."""
    sol = deep()
    table = sol.to_xarray(kernels=True)
    assert_described(table)
    assert table.K_2.dims == ("pixel_2", "datum", "pixel_2_", "datum_")
    K = table.K_2.values
    v = np.einsum("imim->im", K)
    own = np.array([K[i, :, i] for i in range(2)])
    D = 1 + 2 * v
    G = 2 / np.pi * np.arcsin(2 * own / np.sqrt(D[:, :, None] * D[:, None, :]))
    np.testing.assert_allclose(0.9 / 2 * G.sum(axis=0), table.Q_f, atol=1e-12)


def test_a_readout_of_finite_fan_in_has_its_matrices():
    sol = deep(theory="finite_fan_in")
    table = sol.to_xarray()
    assert_described(table)
    np.testing.assert_array_equal(table.fluctuation, sol.fluctuation)
    assert table.sizes["weight"] == 4
    X, y = small(True)
    one = solve(fcn(30), X, y[:, 0], NOISE, theory="finite_fan_in").to_xarray()
    assert one.response.shape == (1, 1)


def test_a_path_is_a_table_over_the_width():
    X, y = small(True)
    path = solve_path(fcn(20), X, y, NOISE, [40, math.inf, 10], theory="finite_fan_in")
    table = path.to_xarray()
    assert_described(table)
    np.testing.assert_array_equal(table.width, [40, math.inf, 10])
    np.testing.assert_array_equal(table.alpha, path.alpha)
    np.testing.assert_array_equal(table.alpha_first_order, path.table()["alpha_first_order"])
    np.testing.assert_array_equal(table.Sigma.sel(width=10), path[2].Sigma)
    np.testing.assert_array_equal(table.fluctuation.sel(width=math.inf), np.eye(2))
    assert table.y.dims == ("datum", "output")
    assert table.widths.dims == ("width", "layer")
    with pytest.raises(ValueError, match="path is empty"):
        path[:0].to_xarray()


def test_the_law_of_one_unit_brings_its_errors(cavity):
    sol = cavity[1]
    table = sol.to_xarray()
    assert_described(table)
    np.testing.assert_array_equal(table.alpha_error, sol.errors["alpha"])
    np.testing.assert_array_equal(table.Sigma_error, sol.errors["Sigma"])
    assert float(table.alpha_error) > 0
    assert "KL" not in table
    both = cavity.to_xarray()
    assert_described(both)
    np.testing.assert_array_equal(both.free_energy, [sol.free_energy for sol in cavity])


def test_xarray_comes_when_it_is_asked_for(monkeypatch):
    statement = "import sys, numerics; assert not {'xarray', 'sklearn', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", statement], check=True)
    sol = deep()
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r"pip install 'feature-eos\[xarray\]'"):
        sol.to_xarray()
