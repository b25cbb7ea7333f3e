"""Memory against what Python counts, seconds against work of known cost, refusals against a fake machine."""

import math
import re
import tracemalloc

import numpy as np
import pytest
from deep_problems import NETWORKS, small
from mutants import breaks

from numerics import NotEnoughMemory, cnn, datasets, estimate_cost, fcn, solve, solve_path
from numerics.activations import quadrature
from numerics.costs import rates
from numerics.costs.cost import typical_gradients
from numerics.costs.footprint import BUFFERS, FRAGMENTS, Sizes, peak_memory
from numerics.machine import memory, parallel
from numerics.pixels import blocks, dense
from numerics.readout_laws import LAWS

MEAN_FIELD = LAWS["mean_field"]
STEEP = quadrature("steep", lambda h: np.tanh(4 * h), lambda h: 4 * (1 - np.tanh(4 * h) ** 2))
TEACHER = datasets.make_linear_cnn(300, 6, 40)
FLAT = np.random.default_rng(0).standard_normal((140, 8))
WIDE = np.random.default_rng(1).standard_normal((150, 600))
RUNS = {
    "two-layer CNN": (cnn(300), TEACHER.X, TEACHER.y, {}),
    "finite fan-in": (fcn(300), FLAT, np.tanh(FLAT[:, 0]), {"theory": "finite_fan_in"}),
    "pixels looked at": (cnn(300), TEACHER.X[:, :2, :5], TEACHER.y, {"theory": "scalar_fan_in"}),
    "pixels of a readout": (cnn(300), TEACHER.X[:, :4, :5], TEACHER.y, {"theory": "finite_fan_in"}),
    "pixels and outputs": (
        cnn(300),
        TEACHER.X[:120, :3, :5],
        np.tanh(TEACHER.X[:120, 0, :2]),
        {"theory": "finite_fan_in"},
    ),
    "pooling": (cnn(300, readout="global_pooling"), TEACHER.X, TEACHER.y, {}),
    "few secants": (fcn((3000, 3000)), FLAT, np.tanh(FLAT[:, 0]), {}),
    "many secants": (fcn((30, 30)), FLAT, 10 * np.tanh(FLAT[:, 0]), {}),
    "two hidden kernels": (fcn((300, 200, 200)), FLAT, np.tanh(FLAT[:, 0]), {}),
    "several outputs": (fcn((300, 300)), FLAT, np.tanh(FLAT[:, :4]), {}),
    "hidden convolution": (cnn((200, 200), windows=(3,)), TEACHER.X[:80], TEACHER.y[:80], {}),
    "series of GELU": (cnn(300, activation="gelu"), TEACHER.X, TEACHER.y, {}),
    "as many weights as data": (fcn(300), WIDE[:, :150], WIDE[:, 0], {}),
    "and a hidden kernel": (fcn((300, 300)), WIDE[:, :150], WIDE[:, 0], {}),
    "more weights than data": (fcn(300), WIDE, WIDE[:, 0], {}),
    "linear units": (fcn((100, 100), activation="linear"), FLAT, FLAT[:, 0], {}),
}


@breaks("numerics/costs/footprint.py", "1.2 * kept", "0.6 * kept", "secants once", case="many secants")
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
    sizes = Sizes.of(net, len(X), *sol.problem.input_shape, sol.problem.outputs)
    ours = (peak_memory(sizes, sol.gradients, LAWS[sol.theory]) - BUFFERS) / FRAGMENTS
    assert ours == pytest.approx(counted, rel=0.3)


@breaks("numerics/costs/footprint.py", "(0.5 if j == k else 1.0)", "1.0", "triangles for squares")
def test_sizes_are_those_of_the_chain():
    for net, flat in NETWORKS.values():
        X, y = small(flat)
        sol = solve(net, X, y, 0.05)
        sizes = Sizes.of(net, len(X), *sol.problem.input_shape)
        assert (sizes.features, *sizes.ranks) >= sol.equations.sizes
        if net.activation != "linear":
            assert (sizes.features, *sizes.ranks) == sol.equations.sizes
    # 20 patches meet themselves alone: half of n^2 each; with pooling all of them meet
    assert Sizes.of(cnn(5), 100, 20, 3).entries == 20 * 100**2 / 2
    assert Sizes.of(cnn(5, readout="global_pooling"), 100, 20, 3).entries == 400 * 100**2 / 2
    # six hidden pixels, each pair through three slots
    assert Sizes.of(cnn((5, 5), windows=(3,)), 10, 18, 3).entries == 3 * 100 * (6 / 2 + 15)


def work(net, shape, theory="mean_field"):
    """Multiplications of a gradient, counted by hand: of one pixel or 20 that do not meet, at most one hidden
    kernel; 230 is what an entry's functions take. Dense matrices of dimension 600 are half as fast as large
    ones."""
    n, pixels, size = seen(shape)
    entries = pixels * n**2 / 2 * (6 * size + 230)
    data = 900 * n**2 + {"mean_field": 0.45, "finite_fan_in": 7}[theory] * n**3
    rank = min(n, size + 1) if net.activation == "linear" else n
    layer = (n**2 * rank + rank**3) / 2 + 600 * n * rank
    hidden = (len(net.widths) - 1) * (12 * layer + 230 * n**2 / 2)
    held_up = min(3.5e9, entries / 2) if n >= 1400 and not hidden else 0  # two threads in each other's way
    return entries + data + 10 * size**2 * (size + 600) + hidden + held_up


def seen(shape):
    """(n, P, S) with no more channels than the data see."""
    n, pixels, size = shape if len(shape) == 3 else (shape[0], 1, shape[1])
    return n, pixels, min(size, n * pixels)


@pytest.fixture
def known_machine(monkeypatch):
    """Gradients take 3e-11 s per multiplication; steps what a formula says. Shapes that are timed."""
    shapes = []

    def seconds(net, shape, outputs, law, threads):
        shapes.append(shape)
        return 3e-11 * work(net, shape, law.name)

    monkeypatch.setattr(rates, "_timed", seconds)
    monkeypatch.setattr(parallel, "thread_count", lambda: 2)
    monkeypatch.setattr(rates, "_steps", lambda: (5e-9, 3e-9))
    return shapes


@breaks(
    "numerics/costs/rates.py",
    "sizes.hidden_entries * functions",
    "0.0",
    "hidden kernels' functions left out",
    case="net3-shape3-mean_field",
)
@breaks(
    "numerics/costs/rates.py",
    "sizes.samples**3\n",
    "sizes.samples**2\n",
    "n^2 for n^3",
    case="net1-shape1-mean_field",
)
@breaks(
    "numerics/costs/rates.py",
    "timed * multiplications(sizes",
    "timed / multiplications(sizes",
    "ratio of the work upside down",
    case="net1-shape1-mean_field",
)
@pytest.mark.parametrize(
    ("net", "shape", "theory"),
    [
        (cnn(640), (300, 20, 64), "mean_field"),
        (cnn(640), (8192, 20, 64), "mean_field"),
        (fcn(500), (9000, 32), "finite_fan_in"),
        (fcn((500, 400)), (3000, 32), "mean_field"),
        (fcn((500, 400), activation="linear"), (4000, 16), "mean_field"),
        (fcn(500), (100, 3000), "mean_field"),
        (fcn(500), (3000, 2500), "mean_field"),
    ],
)
def test_seconds_are_those_of_a_quick_gradient_times_the_ratio_of_the_work(known_machine, net, shape, theory):
    cost = estimate_cost(net, shape, gradients=0, theory=theory)
    assert cost.seconds_per_gradient == pytest.approx(3e-11 * work(net, shape, theory), rel=1e-12)
    (timed,) = set(known_machine)
    quick = work(net, shape, theory) < rates.QUICK
    assert quick == (seen(timed) == seen(shape))
    assert work(net, timed, theory) <= rates.QUICK  # nothing is timed that takes long
    larger = (int(1.01 * timed[0]) + 1, *timed[1:])
    assert (
        quick or timed[-1] < seen(shape)[-1] or work(net, larger, theory) > rates.QUICK
    )  # nor anything tiny


def test_seconds_of_a_solve_count_every_gradient_and_step(known_machine):
    deep = estimate_cost(fcn((500, 400)), (1024, 32), gradients=10)
    # 10 gradients, one for the Gaussian process, and steps over 1, ..., 9 secants of all unknowns
    steps = (1024 * 1025 // 2 + 32 * 33 // 2) * sum(5e-9 * k + 3e-9 * k * k for k in range(1, 10))
    assert deep.seconds_per_solve == pytest.approx(11 * deep.seconds_per_gradient + steps, rel=1e-9)


def test_seconds_of_a_solve_count_the_span_of_the_inputs(known_machine):
    wide = estimate_cost(cnn(500), (100, 2, 3000), gradients=0)
    found = wide.seconds_per_solve - wide.seconds_per_gradient
    assert found == pytest.approx(3e-11 * 3000 * 200 * (5 * 200 + 2000), rel=1e-9)


@pytest.fixture
def stopwatch(monkeypatch):
    """A machine that is really timed, on tiny problems; how often."""
    laps = []
    typical = rates._typical

    def counted(work):
        laps.append(typical(work))
        return laps[-1]

    monkeypatch.setattr(rates, "_typical", counted)
    monkeypatch.setattr(rates, "PATIENCE", 0.0)
    monkeypatch.setattr(rates, "QUICK", 1e7)
    monkeypatch.setattr(rates, "UNKNOWNS", 1000)
    rates.forget()
    yield laps
    rates.forget()


def test_a_shape_is_timed_once_and_at_any_width(stopwatch):
    first = estimate_cost(cnn(640), (40, 3, 5))
    calls = len(stopwatch)
    second = estimate_cost(cnn(80), (40, 3, 5))
    assert len(stopwatch) == calls > 0
    assert second.seconds_per_gradient == first.seconds_per_gradient == stopwatch[0]
    estimate_cost(cnn(80), (50, 3, 5))
    assert len(stopwatch) == calls + 1


@pytest.mark.parametrize(
    ("net", "shape", "theory"),
    [
        (fcn((50, 50), activation="relu", bias_variance=0.2), (100, 8), "mean_field"),
        (fcn(50, activation="tanh"), (100, 8), "mean_field"),
        (fcn(50, 1e4, activation="tanh"), (100, 8), "mean_field"),  # which needs small inputs
        (fcn(50, 1e10, activation=STEEP), (100, 8), "mean_field"),
        (cnn((math.inf, math.inf), windows=(3,)), (30, 6, 4), "mean_field"),
        (cnn((50, 50), windows=(blocks(6, 3),), readout=dense(2)), (30, 6, 4), "mean_field"),
        (cnn((50, 50, 50), windows=(2, 2)), (5, 200, 3), "mean_field"),  # too large for a single datum
        (fcn(50), (100, 8), "finite_fan_in"),
        (cnn(50), (30, 3, 4), "finite_fan_in"),
        (cnn(50), (30, 3, 4), "cavity"),
    ],
)
def test_every_kind_of_network_is_timed(stopwatch, net, shape, theory):
    cost = estimate_cost(net, shape, outputs=2 if theory == "mean_field" else 1, theory=theory)
    assert 0 < cost.seconds_per_gradient <= cost.seconds_per_solve < math.inf


def test_printed_cost_names_both_and_the_gradients(known_machine, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2.0**34)
    text = str(estimate_cost(fcn((500, 400)), (10_000, 32)))
    assert re.search(r"memory +\d+ GB at the peak \(16 GB available\)", text)
    assert "min per gradient" in text
    assert "h per solve" in text
    assert "hidden kernels of dimension 10000" in text
    monkeypatch.setattr(memory, "available", lambda: None)
    assert "available" not in str(estimate_cost(fcn(500), (100, 32)))


def test_the_cavity_s_cost_grows_with_draws_and_data():
    few, many = (estimate_cost(cnn(50), (60, 3, 4), theory="cavity", draws=m) for m in (1024, 65536))
    assert many.memory > few.memory
    assert many.seconds_per_solve > 10 * few.seconds_per_solve
    assert "65536 draws" in str(many)
    assert estimate_cost(cnn(50), (900, 3, 4), theory="cavity").memory > few.memory
    with pytest.raises(ValueError, match="draws"):
        estimate_cost(cnn(50), (60, 3, 4), theory="cavity", draws=0)


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
        (fcn(5), (100, 3), {"theory": "sharp"}),
        (fcn(5), (100, 3), {"theory": "cavity", "gradients": 3}),
        (fcn(5), (100,), {"theory": "cavity"}),
        (cnn((5, 5), windows=(2,)), (100, 3, 4), {}),
    ],
)
def test_what_has_no_cost_is_refused(net, shape, options):
    with pytest.raises(ValueError, match=r"shape|net|outputs|gradients|theory|window"):
        estimate_cost(net, shape, **options)


def test_a_run_that_would_not_fit_is_refused_with_the_size_that_would(monkeypatch):
    net = fcn((30, 30))
    need = peak_memory(Sizes.of(net, 140, 1, 8), typical_gradients(net, 140), MEAN_FIELD)
    y = np.tanh(FLAT[:, 0])
    monkeypatch.setattr(memory, "available", lambda: 0.5 * need)
    with pytest.raises(NotEnoughMemory, match=r"140 samples.*check_memory=False") as refusal:
        solve(net, FLAT, y, 0.1)
    fits = int(re.search(r"at most about (\d+) samples", str(refusal.value))[1])
    for n, much in ((fits, False), (int(1.05 * fits) + 2, True)):
        assert (
            peak_memory(Sizes.of(net, n, 1, 8), typical_gradients(net, n), MEAN_FIELD) > 0.5 * need
        ) == much
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
