"""Saved solutions come back whole, and files of another kind are refused."""

import numpy as np
import pytest
from deep_problems import NETWORKS, small

from numerics import load, solve


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loaded_solution_is_the_saved_one(name, tmp_path):
    net, flat = NETWORKS[name]
    X, y = small(flat)
    sol = solve(net, X, y, 0.05)
    sol.save(tmp_path / "sol.npz")
    back = load(tmp_path / "sol.npz")
    assert back.widths == sol.widths
    assert back.alpha == sol.alpha
    assert back.free_energy == sol.free_energy
    assert back.converged
    np.testing.assert_array_equal(back.Sigma, sol.Sigma)
    # the same arithmetic in the same order
    np.testing.assert_array_equal(back.predict(X[:3]), sol.predict(X[:3]))
    assert back.gp.chi_response == sol.gp.chi_response
    assert [path.name for path in tmp_path.iterdir()] == ["sol.npz"]


def test_one_output_stays_one_dimensional(tmp_path):
    net, flat = NETWORKS["three dense layers"]
    X, y = small(flat)
    solve(net, X, y[:, 0], 0.05).save(tmp_path / "sol.npz")
    assert load(tmp_path / "sol.npz").predict(X).shape == (14,)


def test_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", X=np.ones(3))
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("other.npz", "text.npz"):
        with pytest.raises(ValueError, match=r"no solution.*sol\.save"):
            load(tmp_path / name)
    np.savez(tmp_path / "later.npz", header=np.array('{"format": "feature-eos solution", "version": 99}'))
    with pytest.raises(ValueError, match="of version 99; this package reads"):
        load(tmp_path / "later.npz")
