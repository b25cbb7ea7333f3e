"""Our path against peers on the same equations, start and tolerance, side by side in one run.

cnn: the ladder of widths of the two-layer CNN; fcn: the three-layer network from 30000 to 90. At every width
all methods must bring the equations of state to 1e-8. They start from the solution at the last width, which
our path extrapolates first; "predicted" rows start from that extrapolation too, which no peer has by itself.

    ours          solve_path's branch (Anderson in log covariances, guarded by F)
    ours, newton  the same branch with method="newton"
    anderson      Sigma -> (P^{-1} - T/C)^{-1} (and K -> (1 - Q g)^{-1} Q), Anderson memory 8, our kernels
    krylov        scipy.optimize.newton_krylov on the triangles of Sigma (and K), our kernels
    krylov numpy  the same on plain NumPy kernels (cnn only)

A failure is printed as one and its time is not counted as a win. Peers have the same kernels, and the same
BLAS with as many threads. Run on an idle machine.
"""

import argparse
import time
from importlib.metadata import version

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import NoConvergence, newton_krylov

from numerics import Problem, cnn, datasets, fcn
from numerics.gaussian.theory import Theory
from numerics.kernels.preactivations import HiddenKernel, InputKernel
from numerics.machine import parallel
from numerics.machine.dense import mirrored, product
from numerics.readout_laws.mean_field import mean_field
from numerics.series.complex_width import ComplexWidth
from numerics.solving.continuation import Curve
from numerics.solving.outcome import Status

TOL = 1e-8
MEMORY = 8
LADDER = (20000, 5000, 2560, 1280, 640, 320, 160, 80)


class TwoLayers:
    """Eq. (7) and (8) as a fixed point of R = Sigma S/sigma_w^2."""

    def __init__(self, theory):
        self.theory = theory
        self.prior = theory.prior_variance[0]
        self.evaluations = 0

    def start(self, state):
        t, U = np.linalg.eigh(state[0].theta)
        return [(U * np.exp(t)) @ U.T]

    def pull(self, R):
        self.evaluations += 1
        layers, readout = InputKernel.at(self.theory.X, self.prior * R), self.theory.readout
        return self.prior * readout.adjoint(layers, self.data(readout.value(layers)).A)

    def data(self, Q):
        problem = self.theory.problem
        return mean_field(Q, problem.targets, problem.noise_variance)

    def image(self, blocks, width):
        """The fixed-point map and the residual that `Solution.residual` reports."""
        (R,) = blocks
        gap = np.eye(len(R)) - self.pull(R) / width
        return [np.linalg.inv(gap)], np.abs(R @ gap - np.eye(len(R))).max()


class PlainTwoLayers(TwoLayers):
    """The same in plain NumPy."""

    def __init__(self, theory):
        super().__init__(theory)
        self.plain = ComplexWidth(theory.problem)

    def pull(self, R):
        self.evaluations += 1
        return self.plain.state(R)[1]


class ThreeLayers(TwoLayers):
    """Sigma and K of a three-layer fully connected network."""

    def start(self, state):
        layers = self.theory.layers(state)
        return [layers[0].covariance / self.prior, layers[1].covariance]

    def image(self, blocks, width):
        self.evaluations += 1
        R, K = blocks
        lower, upper = self.theory.maps
        inputs, hidden = InputKernel.at(self.theory.X, self.prior * R), HiddenKernel.at(K, 1)
        Q = mirrored(lower.value(inputs))
        data = self.data(upper.value(hidden))
        g = upper.adjoint(hidden, data.A) / width
        gK = product(g, K)
        T = self.prior * width * lower.adjoint(inputs, g + product(gK, g))
        gap = np.eye(len(R)) - T / width
        Qg = product(Q, g)
        off = K - Q - product(Q, gK)
        K_new = lapack.dgesv(np.eye(len(Q), order="F") - Qg, Q)[2]
        residual = max(np.abs(R @ gap - np.eye(len(R))).max(), np.abs(off).max() / np.abs(Q).max())
        return [np.linalg.inv(gap), (K_new + K_new.T) / 2], residual


class Reached(Exception):
    """The residual is at the tolerance."""


def triangles(blocks):
    return np.concatenate([block[np.tril_indices(len(block))] for block in blocks])


def symmetric(vector, like):
    out = []
    for block in like:
        rows, cols = np.tril_indices(len(block))
        M = np.empty_like(block)
        M[rows, cols] = M[cols, rows] = vector[: len(rows)]
        vector = vector[len(rows) :]
        out.append(M)
    return out


def krylov(system, blocks, width, limit):
    """scipy.optimize.newton_krylov, stopped as soon as the equations hold to TOL."""
    deadline = time.perf_counter() + limit

    def step(vector):
        given = symmetric(vector, blocks)
        image, residual = system.image(given, width)
        if residual <= TOL:
            raise Reached
        if time.perf_counter() > deadline:
            raise TimeoutError
        return triangles(given) - triangles(image)

    try:
        newton_krylov(step, triangles(blocks), f_tol=TOL / 100, maxiter=200)
    except Reached:
        return True
    return False


def anderson(system, blocks, width, limit):
    """Anderson's type II acceleration of the fixed-point map."""
    deadline = time.perf_counter() + limit
    points, steps = [], []
    while time.perf_counter() < deadline:
        image, residual = system.image(blocks, width)
        if residual <= TOL:
            return True
        if not np.isfinite(residual):
            return False
        points.append(triangles(blocks))
        steps.append(triangles(image) - points[-1])
        del points[: -MEMORY - 1], steps[: -MEMORY - 1]
        new = points[-1] + steps[-1]
        if len(points) > 1:
            dx, df = (np.array([v[-1] - old for old in v[:-1]]) for v in (points, steps))
            new -= np.linalg.lstsq(df.T, steps[-1], rcond=1e-12)[0] @ (dx + df)
        blocks = symmetric(new, blocks)
    return False


def run(theory, widths, systems, limit):
    """Every method at every width; seconds and evaluations, None after a failure."""
    curves = {"ours": Curve(theory, TOL)}
    if "ours, newton" in systems:
        curves["ours, newton"] = Curve(theory, TOL, "newton")
    systems = {name: system for name, system in systems.items() if name not in curves}
    table = {name: [] for name in (*curves, *systems)}
    spent = dict.fromkeys(systems, 0.0)
    state = theory.prior
    for width in widths:
        target = theory.problem.with_widths(float(width)).inverse_widths
        starts = {"predicted": curves["ours"].predict(target), "previous": state}
        for name, curve in curves.items():
            begin = time.perf_counter()
            outcome = curve.solve(target, 300)
            good = outcome.status is Status.CONVERGED
            table[name].append((time.perf_counter() - begin, outcome.gradients, good))
            state = outcome.point.state if name == "ours" else state
        for name, (system, method) in systems.items():
            start = starts["predicted" if "predicted" in name else "previous"]
            blocks, before, begin = system.start(start), system.evaluations, time.perf_counter()
            with parallel.for_factorisation(theory.problem.samples):
                good = spent[name] < limit and attempt(method, system, blocks, width, limit - spent[name])
            seconds = time.perf_counter() - begin
            spent[name] += seconds
            table[name].append((seconds, system.evaluations - before, good))
        cells = (f"{s:8.2f} s {count:4d}{'' if good else ' FAILED'}" for s, count, good in last(table))
        print(f"C = {width:8.1f}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
    return table


def attempt(method, system, blocks, width, limit):
    """Whether the method reached TOL; the ways in which it does not are all the same here."""
    try:
        return method(system, blocks, width, limit)
    except (ArithmeticError, np.linalg.LinAlgError, ValueError, AssertionError, TimeoutError, NoConvergence):
        return False


def last(table):
    return [rows[-1] for rows in table.values()]


def summary(table):
    """Ratios over the widths that the peer solved."""
    ours = table["ours"]
    for name, rows in table.items():
        both = [(row[0], our[0]) for row, our in zip(rows, ours, strict=True) if row[2] and our[2]]
        if both:
            theirs, mine = (sum(times) for times in zip(*both, strict=True))
            gradients = sum(row[1] for row in rows if row[2])
            print(
                f"{name:>18}: {theirs:8.1f} s, {theirs / mine:6.2f} x ours on the {len(both)} of "
                f"{len(rows)} widths that it solved, {gradients} evaluations"
            )
        else:
            print(f"{name:>18}: solved none of {len(rows)} widths")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("problem", choices=["cnn", "fcn"])
    parser.add_argument("--n", type=int, help="samples (1600; 512)")
    parser.add_argument("--widths", type=int, default=49, help="of the fcn")
    parser.add_argument("--peers", help="some of the columns, separated by commas")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds in all for each peer")
    options = parser.parse_args()
    print(", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba")))
    if options.problem == "cnn":
        data = datasets.make_linear_cnn(options.n or 1600)
        theory = Theory(Problem(cnn(640.0), data.X, data.y, 0.1))
        systems = {
            "ours, newton": None,
            "anderson": (TwoLayers(theory), anderson),
            "anderson predicted": (TwoLayers(theory), anderson),
            "krylov": (TwoLayers(theory), krylov),
            "krylov predicted": (TwoLayers(theory), krylov),
            "krylov numpy": (PlainTwoLayers(theory), krylov),
        }
        widths = LADDER
    else:
        data = datasets.make_fcn_teacher(options.n or 512, 32, seed=3, rms=0.3)
        theory = Theory(Problem(fcn((1.0, 1.0), 2.0, 2 / 256), data.X, data.y, 0.001))
        systems = {
            "ours, newton": None,
            "anderson": (ThreeLayers(theory), anderson),
            "anderson predicted": (ThreeLayers(theory), anderson),
            "krylov": (ThreeLayers(theory), krylov),
            "krylov predicted": (ThreeLayers(theory), krylov),
        }
        widths = np.geomspace(30000, 90, options.widths)
    warm = theory.problem.with_widths(1e6)
    Curve(theory, 1e-3).solve(warm.inverse_widths, 3)  # compiled kernels, and the Gaussian process
    if options.peers:
        systems = {name: systems[name] for name in options.peers.split(",")}
    print(" " * 12 + "".join(f"{name:>22}" for name in ("ours", *systems)))
    summary(run(theory, widths, systems, options.limit))


if __name__ == "__main__":
    main()
