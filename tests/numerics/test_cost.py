"""Memory against what Python counts, seconds against work of known cost, refusals against a fake machine."""

import math
import re
import tracemalloc

import numpy as np
import pytest
from deep_problems import NETWORKS, small

from numerics import NotEnoughMemory, cnn, datasets, estimate_cost, fcn, memory, rates, solve, solve_path
from numerics.cost import typical_gradients
from numerics.footprint import BUFFERS, FRAGMENTS, Sizes, peak_memory

TEACHER = datasets.make_linear_cnn(300, 6, 40)
FLAT = np.random.default_rng(0).standard_normal((140, 8))
RUNS = {
    "two-layer CNN": (cnn(300), TEACHER.X, TEACHER.y, {}),
    "finite fan-in": (fcn(300), FLAT, np.tanh(FLAT[:, 0]), {"readout": "finite_fan_in"}),
    "pixels looked at": (cnn(300), TEACHER.X[:, :2, :5], TEACHER.y, {"readout": "finite_fan_in"}),
    "pooling": (cnn(300, readout="global_pooling"), TEACHER.X, TEACHER.y, {}),
    "few secants": (fcn((3000, 3000)), FLAT, np.tanh(FLAT[:, 0]), {}),
    "many secants": (fcn((30, 30)), FLAT, 10 * np.tanh(FLAT[:, 0]), {}),
    "two hidden kernels": (fcn((300, 200, 200)), FLAT, np.tanh(FLAT[:, 0]), {}),
    "several outputs": (fcn((300, 300)), FLAT, np.tanh(FLAT[:, :4]), {}),
    "hidden convolution": (cnn((200, 200), windows=(3,)), TEACHER.X[:80], TEACHER.y[:80], {}),
    "series of GELU": (cnn(300, activation="gelu"), TEACHER.X, TEACHER.y, {}),
    "linear units": (fcn((100, 100), activation="linear"), FLAT, FLAT[:, 0], {}),
}


@pytest.mark.parametrize("name", RUNS)
def test_memory_is_that_of_the_arrays_alive_at_once(name):
    net, X, y, options = RUNS[name]
    solve(net, X, y, 0.1, **options)  # imports, and compiles all that this problem runs
    tracemalloc.start()
    try:
        sol = solve(net, X, y, 0.1, **options)
        counted = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    sizes = Sizes.of(net, len(X), *sol.problem.field.shape)
    ours = (peak_memory(sizes, sol.gradients, options.get("readout", "mean_field")) - BUFFERS) / FRAGMENTS
    assert ours == pytest.approx(counted, rel=0.3)


def test_sizes_are_those_of_the_chain():
    for net, flat in NETWORKS.values():
        X, y = small(flat)
        field = solve(net, X, y, 0.05).problem.field
        sizes = Sizes.of(net, len(X), *field.shape)
        assert (sizes.channels, *sizes.ranks) >= field.chain.sizes
        if net.activation != "linear":
            assert (sizes.channels, *sizes.ranks) == field.chain.sizes
    # 20 patches meet themselves alone: half of n^2 each; with pooling all of them meet
    assert Sizes.of(cnn(5), 100, 20, 3).entries == 20 * 100**2 / 2
    assert Sizes.of(cnn(5, readout="global_pooling"), 100, 20, 3).entries == 400 * 100**2 / 2
    # six hidden pixels, each pair through three slots
    assert Sizes.of(cnn((5, 5), windows=(3,)), 10, 18, 3).entries == 3 * 100 * (6 / 2 + 15)


@pytest.fixture
def known_work(monkeypatch):
    """Gradients that take exactly what a formula says."""
    calls = []

    def seconds(net, shape, outputs, readout):
        n, pixels, size = shape if len(shape) == 3 else (shape[0], 1, shape[1])
        calls.append(shape)
        hidden = len(net.widths) - 1
        work = (2e-9 + 1e-10 * size) * pixels * n**2 / 2 + 3e-9 * n**2 + 5e-11 * n**3 + 4e-10 * size**3
        return work + hidden * (2e-8 * n**2 + 1e-9 * n**3)

    monkeypatch.setattr(rates, "_gradient", seconds)
    monkeypatch.setattr(rates, "_step", lambda k: 5e-9 * k + 3e-9 * k * k)
    rates.rates.cache_clear()
    yield calls
    rates.rates.cache_clear()


def test_seconds_are_taken_apart_and_put_together(known_work):
    cost = estimate_cost(cnn(640), (3200, 20, 64))
    expected = (2e-9 + 64e-10) * 20 * 3200**2 / 2 + 3e-9 * 3200**2 + 5e-11 * 3200**3 + 4e-10 * 64**3
    assert cost.seconds_per_gradient == pytest.approx(expected, rel=1e-3)  # parts overlap at size 1
    deep = estimate_cost(fcn((500, 400)), (1024, 32), gradients=10)
    expected = (2e-9 + 32e-10) * 1024**2 / 2 + 3e-9 * 1024**2 + 5e-11 * 1024**3
    expected += 4e-10 * 32**3 + 2e-8 * 1024**2 + 1e-9 * 1024**3
    assert deep.seconds_per_gradient == pytest.approx(expected, rel=1e-3)
    # 10 gradients, one for the Gaussian process, and steps over 1, ..., 9 secants of all unknowns
    steps = (1024 * 1025 // 2 + 32 * 33 // 2) * sum(5e-9 * k + 3e-9 * k * k for k in range(1, 10))
    assert deep.seconds_per_solve == pytest.approx(11 * deep.seconds_per_gradient + steps, rel=1e-9)


def test_large_inputs_are_not_timed_but_extrapolated(known_work):
    cost = estimate_cost(fcn(500), (100, 3000))
    expected = (2e-9 + 3000e-10) * 100**2 / 2 + 3e-9 * 100**2 + 5e-11 * 100**3 + 4e-10 * 3000**3
    assert cost.seconds_per_gradient == pytest.approx(expected, rel=1e-2)  # parts overlap
    assert max(shape[-1] for shape in known_work) <= 500


def test_machines_are_timed_once_per_kind_of_network(known_work):
    estimate_cost(cnn(640), (3200, 20, 64))
    calls = len(known_work)
    estimate_cost(cnn(80), (100, 3, 64))
    assert len(known_work) == calls
    estimate_cost(cnn(80), (100, 3, 32))
    assert len(known_work) > calls


def test_units_with_means_are_timed_too(monkeypatch):
    monkeypatch.setattr(rates, "DATA_SIZES", (20, 40))
    monkeypatch.setattr(rates, "INPUT_SIZES", (5, 10))
    monkeypatch.setattr(rates, "HIDDEN_SIZES", (20, 40))
    monkeypatch.setattr(rates, "UNKNOWNS", 1000)
    rates.rates.cache_clear()
    cost = estimate_cost(fcn((50, 50), activation="relu"), (100, 8))
    assert 0 < cost.seconds_per_gradient < cost.seconds_per_solve < math.inf
    assert cost.what.startswith("fully connected, relu")
    rates.rates.cache_clear()


def test_printed_cost_names_both_and_the_gradients(known_work, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2.0**34)
    text = str(estimate_cost(fcn((500, 400)), (10_000, 32)))
    assert re.search(r"memory +\d+ GB at the peak \(16 GB available\)", text)
    assert "min per gradient" in text
    assert "h per solve" in text
    assert "hidden kernels of dimension 10000" in text
    monkeypatch.setattr(memory, "available", lambda: None)
    assert "available" not in str(estimate_cost(fcn(500), (100, 32)))


def test_typical_gradients_grow_with_n_and_depth_and_are_none_for_a_process():
    assert typical_gradients(cnn(math.inf), 100) == 0
    assert typical_gradients(cnn(1e9), 100) == 3
    assert typical_gradients(cnn(10), 1000) > typical_gradients(cnn(10), 100)
    assert typical_gradients(fcn((10, 10)), 100) > typical_gradients(fcn(10), 100)


@pytest.mark.parametrize(
    ("net", "shape", "options"),
    [
        (cnn(5), (100, 3), {}),
        (fcn(5), (100, 3, 4), {}),
        (fcn(5), (100, 0), {}),
        (fcn(5), "100", {}),
        (fcn(5), 100, {}),
        ("fcn", (100, 3), {}),
        (fcn(5), (100, 3), {"outputs": 0}),
        (fcn(5), (100, 3), {"gradients": -1}),
        (fcn(5), (100, 3), {"readout": "sharp"}),
        (cnn((5, 5), windows=(2,)), (100, 3, 4), {}),
    ],
)
def test_what_has_no_cost_is_refused(net, shape, options):
    with pytest.raises(ValueError, match=r"shape|net|outputs|gradients|readout|window"):
        estimate_cost(net, shape, **options)


def test_a_run_that_would_not_fit_is_refused_with_the_size_that_would(monkeypatch):
    net = fcn((30, 30))
    need = peak_memory(Sizes.of(net, 140, 1, 8), typical_gradients(net, 140))
    y = np.tanh(FLAT[:, 0])
    monkeypatch.setattr(memory, "available", lambda: 0.5 * need)
    with pytest.raises(NotEnoughMemory, match=r"140 samples.*check_memory=False") as refusal:
        solve(net, FLAT, y, 0.1)
    fits = int(re.search(r"at most about (\d+) samples", str(refusal.value))[1])
    for n, much in ((fits, False), (int(1.05 * fits) + 2, True)):
        assert (peak_memory(Sizes.of(net, n, 1, 8), typical_gradients(net, n)) > 0.5 * need) == much
    assert solve(net, FLAT, y, 0.1, check_memory=False).converged
    monkeypatch.setattr(memory, "available", lambda: 1.5 * need)
    assert solve(net, FLAT, y, 0.1).converged
    # a path keeps a state per width
    many = np.geomspace(1e4, 30, 300)
    with pytest.raises(NotEnoughMemory):
        solve_path(net, FLAT, y, 0.1, widths=many)
    monkeypatch.setattr(memory, "available", lambda: None)
    assert len(solve_path(net, FLAT, y, 0.1, widths=[1e4, 1e3])) == 2


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A /proc and a /sys/fs/cgroup of our own."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    groups.mkdir()
    monkeypatch.setattr(memory, "PROC", proc)
    monkeypatch.setattr(memory, "CGROUPS", groups)
    (proc / "meminfo").write_text("MemTotal: 8000 kB\nMemAvailable: 5000 kB\n")
    return proc, groups


def test_memory_of_the_machine(machine):
    assert memory.available() == 5000 * 1024


def test_memory_of_a_container_of_the_second_version(machine):
    proc, groups = machine
    (proc / "self" / "cgroup").write_text("0::/job/task\n")
    task = groups / "job" / "task"
    task.mkdir(parents=True)
    (task / "memory.max").write_text("max\n")
    (task / "memory.current").write_text("100\n")
    assert memory.available() == 5000 * 1024
    (groups / "job" / "memory.max").write_text("3000000\n")  # the limit of the group above counts too
    (groups / "job" / "memory.current").write_text("1000000\n")
    assert memory.available() == 2_000_000
    (groups / "job" / "memory.stat").write_text("anon 5\ninactive_file 400000\n")
    assert memory.available() == 2_400_000
    (task / "memory.max").write_text("50\n")
    assert memory.available() == 0


def test_memory_of_a_container_of_the_first_version(machine):
    proc, groups = machine
    (proc / "self" / "cgroup").write_text("5:cpu:/x\n4:hugetlb,memory:/job\n0::/\n")
    group = groups / "memory"  # inside the container the name of the job leads nowhere
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text("3000000\n")
    (group / "memory.usage_in_bytes").write_text("1000000\n")
    assert memory.available() == 2_000_000


def test_memory_of_an_unknown_system(machine, monkeypatch):
    proc, _ = machine
    (proc / "meminfo").unlink()
    monkeypatch.setattr(memory.os, "sysconf", lambda name: {"SC_PHYS_PAGES": 10, "SC_PAGE_SIZE": 7}[name])
    assert memory.available() == 70

    def unknown(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(memory.os, "sysconf", unknown)
    assert memory.available() is None
