"""Sweeps: every point of a grid solved once, written once, whoever runs it and however often it is killed."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import sweep_problems
from mutants import breaks
from sweep_problems import BROKEN, run, spectrum, tiny, two_layers

from numerics import Problem, SweepFull, cnn, plots, sample, solve, solve_path, sweep
from numerics.sweeps import store as stores

xarray = pytest.importorskip("xarray")
pytest.importorskip("zarr")

GRID = {"n": [10, 14], "noise": [0.1, 1.0], "C": [80, 20], "theory": ["mean_field", "finite_fan_in"]}
ASKED = ("alpha", "test_error", spectrum)
STORE = "numerics/sweeps/store.py"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    store = tmp_path_factory.mktemp("sweep") / "s.zarr"
    return sweep(two_layers, GRID, store=store, quantities=ASKED, path="C"), store


@breaks(
    STORE,
    "array[outcome.position] = block if self.grid.path",
    "array[outcome.position] = block[::-1] if self.grid.path",
    "widths of a path in order",
)
def test_a_product_has_what_solving_one_by_one_gives(found):
    results, _ = found
    assert results["alpha"].dims == ("n", "noise", "theory", "C")
    assert results["spectrum"].dims == ("n", "noise", "theory", "C", "spectrum_0")
    for n in GRID["n"]:
        problem, X_test, y_test = two_layers(n, 1.0)
        for theory in GRID["theory"]:
            at = results.sel(n=n, noise=1.0, theory=theory)
            path = solve_path(problem, widths=[80, 20], theory=theory)
            np.testing.assert_array_equal(at["alpha"], path.alpha)
            np.testing.assert_array_equal(at["spectrum"].sel(C=20), path[1].overlap_eigenvalues)
            gap = path[0].predict(X_test) - y_test
            assert at["test_error"].sel(C=80).item() == pytest.approx(np.mean(gap**2) / np.mean(y_test**2))
    assert (results["status"] == 1).all()
    assert set(results["reason"].values.ravel()) == {""}


def test_xarray_alone_reads_the_store(found):
    results, store = found
    with xarray.open_zarr(store, chunks=None) as opened:
        xarray.testing.assert_identical(opened["alpha"].drop_attrs(), results["alpha"].drop_attrs())
        assert opened["alpha"].attrs["long_name"] == "overlap of discrepancy and target, eps.y / y.y"


def test_what_is_there_is_not_done_again(found, monkeypatch):
    results, store = found
    told = []
    again = sweep(two_layers, GRID, store=store, quantities=ASKED, path="C", callback=told.append)
    assert [(one.done, one.total, one.fresh) for one in told] == [(8, 8, 0)]
    xarray.testing.assert_identical(again, results)


def test_cases_failures_and_a_second_try(tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.touch()
    monkeypatch.setenv(BROKEN, str(broken))
    cases = [{"n": 8, "noise": 0.1}, {"n": 9, "noise": 0.7}, {"n": 8, "noise": -1.0}]
    results = sweep(two_layers, cases, store=tmp_path / "s.zarr", quantities="alpha")
    assert results["status"].values.tolist() == [1, 2, 2]
    assert results["reason"].values[1] == "ArithmeticError: a machine on fire"
    assert "noise_variance" in results["reason"].values[2]
    assert np.isnan(results["alpha"].values).tolist() == [False, True, True]
    broken.unlink()
    told = []
    results = sweep(two_layers, cases, store=tmp_path / "s.zarr", quantities="alpha", callback=told.append)
    assert (told[-1].fresh, told[-1].failed) == (2, 1)
    assert results["status"].values.tolist() == [1, 1, 2]
    assert results["reason"].values[1] == ""
    assert results["alpha"].values[1] == solve(two_layers(9, 0.7)[0]).alpha


def test_sampled_networks_and_the_cavity_theory_have_errors(tmp_path):
    options = {"sampled": {"draws": 20, "chains": 2}, "cavity": {"draws": 256}}
    grid = {"theory": ["mean_field", "cavity", "sampled"], "noise": [0.5]}
    asked = ("alpha", "alpha_gp", "top_overlap")
    results = sweep(_eight, grid, store=tmp_path / "s.zarr", quantities=asked, options=options).sel(noise=0.5)
    samples = sample(_eight(0.5), draws=20, chains=2, method="collapsed")
    assert results["alpha"].sel(theory="sampled").item() == samples.alpha.mean
    assert results["alpha_error"].sel(theory="sampled").item() == samples.alpha.error
    assert results["alpha_error"].sel(theory="cavity").item() > 0
    assert np.isnan(results["alpha_error"].sel(theory="mean_field").item())
    assert np.isnan(results["alpha_gp"].sel(theory="sampled").item())  # samples have no Gaussian process


def _eight(noise):
    return two_layers(8, noise)[0]


def test_a_process_pool_gives_the_same_bits(tmp_path):
    serial = run(tmp_path / "serial.zarr", cases=12)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        pooled = run(tmp_path / "pooled.zarr", executor, cases=12)
    xarray.testing.assert_identical(pooled.drop_vars("seconds"), serial.drop_vars("seconds"))


def killed_and_resumed(store, kind, cases, kills, least, most, rng):
    """Whole process groups killed after random times; then to the end. Numbers of tasks done at each stop."""
    progress = []
    for _ in range(kills):
        child = subprocess.Popen(
            [sys.executable, sweep_problems.__file__, str(store), kind, str(cases)],
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        before = progress[-1] if progress else 0
        deadline = time.monotonic() + 120
        while child.poll() is None and time.monotonic() < deadline and _done(store) <= before:
            time.sleep(0.05)
        time.sleep(rng.uniform(least, most))
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        progress.append(_done(store))
    subprocess.run(
        [sys.executable, sweep_problems.__file__, str(store), kind, str(cases)],
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return progress


def _done(store):
    if not Path(store).exists():
        return 0
    return len(list(Path(store, "status").glob("[0-9]*")))


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX signals")
@breaks(
    STORE, "if status[position] != DONE]", "if status[position] == FAILED]", "what a killed run left is done"
)
def test_killed_and_gone_on_with(tmp_path):
    rng = np.random.default_rng(0)
    progress = killed_and_resumed(tmp_path / "killed.zarr", "serial", 40, 2, 0.0, 0.1, rng)
    assert 0 < progress[0] < 40
    whole = run(tmp_path / "whole.zarr", cases=40)
    resumed = stores.read(tmp_path / "killed.zarr")
    xarray.testing.assert_identical(resumed.drop_vars("seconds"), whole.drop_vars("seconds"))


@pytest.mark.certify
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["loky", "dask"])
def test_five_hundred_tasks_killed_ten_times(kind, tmp_path):
    rng = np.random.default_rng(1)
    progress = killed_and_resumed(tmp_path / "killed.zarr", kind, 500, 10, 0.0, 0.4, rng)
    assert all(np.diff([0, *progress]) > 0)
    assert progress[0] < 500
    whole = run(tmp_path / "whole.zarr")
    resumed = stores.read(tmp_path / "killed.zarr")
    xarray.testing.assert_identical(resumed.drop_vars("seconds"), whole.drop_vars("seconds"))


def test_two_sweeps_at_once_are_refused(tmp_path):
    def inner(progress):
        with pytest.raises(SweepFull, match="another sweep is writing there"):
            run(tmp_path / "s.zarr", cases=2)

    sweep(
        tiny,
        {"k": range(2)},
        store=tmp_path / "s.zarr",
        quantities=("alpha", "log_evidence", spectrum),
        callback=inner,
    )
    assert (run(tmp_path / "s.zarr", cases=2)["status"] == 1).all()  # the lock is gone


def test_an_interrupt_loses_nothing(tmp_path):
    def stop(progress):
        if progress.fresh == 3:
            raise KeyboardInterrupt

    asked = ("alpha", "log_evidence", spectrum)
    with pytest.raises(KeyboardInterrupt):
        sweep(tiny, {"k": range(6)}, store=tmp_path / "s.zarr", quantities=asked, callback=stop)
    assert int((stores.read(tmp_path / "s.zarr")["status"] == 1).sum()) == 3
    assert (run(tmp_path / "s.zarr", cases=6)["status"] == 1).all()


def test_another_sweep_s_store_is_refused(tmp_path):
    run(tmp_path / "s.zarr", cases=2)
    with pytest.raises(ValueError, match="another grid; give another store=, or move it away"):
        run(tmp_path / "s.zarr", cases=3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(ValueError, match="is there and is no store of a sweep"):
        run(tmp_path / "mine", cases=2)
    assert [one.name for one in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    with pytest.raises(ValueError, match="does not exist; make it first"):
        run(tmp_path / "no" / "s.zarr", cases=2)


@pytest.mark.parametrize(
    ("grid", "more", "said"),
    [
        ({}, {}, "grid is empty"),
        ({"k": []}, {}, "grid is empty"),
        ([], {}, "grid is empty"),
        ({"k": 3}, {}, "k in grid must be a list of values"),
        ({"k": [1, 1]}, {}, "k in grid has 1 twice"),
        ({"status": [1]}, {}, "cannot be a parameter's name"),
        ([{"k": 1}, {"n": 1}], {}, "must have the same parameters"),
        ("k", {}, "grid must be a dictionary"),
        ({"k": [1]}, {"quantities": "alfa"}, "'alfa' is no quantity; there are alpha"),
        ({"k": [1]}, {"quantities": ()}, "quantities is empty"),
        ({"k": [1]}, {"path": "C"}, "must be a parameter of a grid that is a product"),
        ({"k": [1], "C": [0, 5]}, {"path": "C"}, "must be widths above zero"),
        ({"k": [1], "theory": ["mean"]}, {}, "theory"),
        ({"k": [1]}, {"options": {"sample": {}}}, "options"),
    ],
)
def test_bad_input_is_one_sentence(grid, more, said, tmp_path):
    with pytest.raises(ValueError, match=said) as refused:
        sweep(tiny, grid, store=tmp_path / "s.zarr", **more)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "s.zarr").exists()


def test_what_cannot_be_sent_is_refused_before_the_work(tmp_path):
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(ValueError, match="define functions with def at the top of a module"),
    ):
        sweep(lambda k: tiny(k), {"k": [1]}, executor, store=tmp_path / "s.zarr")


def test_values_that_do_not_fit_are_a_failure(tmp_path):
    def of_size(k):
        rng = np.random.default_rng(0)
        return Problem(cnn(30), rng.standard_normal((6, 2, k)), rng.standard_normal(6), 0.1)

    results = sweep(of_size, {"k": [3, 4]}, store=tmp_path / "s.zarr", quantities=spectrum)
    assert results["status"].values.tolist() == [1, 2]
    assert results["reason"].values[1] == "spectrum has another shape than in other tasks"


def test_a_phase_diagram_has_a_panel_for_each_theory(found):
    pytest.importorskip("matplotlib")
    results, _ = found
    figure = plots.phase_diagram(results.sel(noise=1.0), "alpha", y="n")
    *panels, _bar = figure.axes
    assert [axes.get_title() for axes in panels] == ["theory = mean_field", "theory = finite_fan_in"]
    drawn = panels[0].images[0].get_array()
    # from narrow to wide, from few data to many
    expected = results["alpha"].sel(noise=1.0, theory="mean_field").transpose("n", "C").values[:, ::-1]
    np.testing.assert_array_equal(drawn, expected)
    with pytest.raises(ValueError, match="'beta' is not in this sweep; it has alpha"):
        plots.phase_diagram(results, "beta")
