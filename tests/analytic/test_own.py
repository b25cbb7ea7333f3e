"""Kernels of formulas: derived against 30 digits, generated against double precision; refusals, trees."""

import copy
import json
import pickle
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import mpmath
import numpy as np
import pytest
import sympy as sp
from mutants import breaks
from numpy.polynomial.legendre import leggauss

from analytic import activation, expectation
from analytic.expectations.relu import FIRST, SECOND
from analytic.generator.exercise import _imported, _interpreted, exercise
from analytic.own import from_tree
from analytic.symbols import K11, K12, K22, h, m1, m2
from analytic.tree import UnknownNode, rebuilt, tree
from numerics._generated import load

x = sp.Symbol("x", real=True)
HALF = sp.Rational(1, 2)
# by name: formula, kinks
CLOSED = {
    "sin": (sp.sin(x), ()),
    "abs": (sp.Abs(x), (0,)),
    "leaky": (sp.Max(x, x / 10), (0,)),
    "cubic": (x**3 - 3 * x, ()),
    "erf and half": (sp.erf(x) + x / 2, ()),
    "cos": (sp.cos(x + 0.3), ()),
    "gauss": (sp.exp(-(x**2)), ()),
    "hard tanh": (sp.Max(-1, sp.Min(1, x)), (-1, 1)),
    "elu": (sp.Piecewise((x, x > 0), (sp.exp(x) - 1, True)), (0,)),
    "squared relu": (sp.Max(0, x) ** 2, (0,)),
    "folded": (sp.Abs(x**2 - 1), (-1, 1)),
    "x exp": (x * sp.exp(x / 2), ()),
    "gelu": (x * (1 + sp.erf(x / sp.sqrt(2))) / 2, ()),
    "all": (sp.erf(x + 1) - x * sp.exp(-((x - 1) ** 2)) + sp.Max(x, 0), (0,)),
    "wave and line": (x + sp.sin(2 * x) / 3, ()),
}
# K12, K11, K22, m1, m2: correlations of .26 and -.82
POINTS = ((0.3, 0.8, 1.7, 0.4, -0.7), (-0.9, 0.6, 2.0, -1.1, 0.2))
QUICK = ("abs",)  # at 30 digits in every run


def at(name, point):
    """Odd functions have no means."""
    odd = activation(CLOSED[name][0]).odd
    return (*point[:3], 0.0, 0.0) if odd else point


@cache
def kernel(name):
    """The generated file as plain Python: `first` and `second` at means."""
    with TemporaryDirectory() as folder, _interpreted():
        path = Path(folder, "own.py")
        path.write_text(activation(CLOSED[name][0]).source, encoding="utf-8")
        return _imported(path)


def moments(name, point):
    """The fifteen E[phi^(i) phi^(j)]."""
    module = kernel(name)
    c12, c11, c22, a, b = point
    if activation(CLOSED[name][0]).with_means:
        entries = (c12, a, c11, b, c22)
        return np.array([*module.first(*entries), *module.second(*entries)])
    G, d12, d11, d22 = module.first(c12, c11, c22)  # the statistic is the variance itself
    second = module.second(c12, c11, c22)[3:]
    found = dict.fromkeys((*FIRST, *SECOND), 0.0)
    found |= {(0, 0): G, (1, 1): d12, (2, 0): 2 * d11, (0, 2): 2 * d22}
    found |= {(2, 2): second[0], (3, 1): 2 * second[1], (1, 3): 2 * second[2]}
    found |= {(4, 0): 4 * second[3], (0, 4): 4 * second[5]}
    assert 4 * second[4] == pytest.approx(found[2, 2], rel=1e-12)  # E[phi'' phi''] twice
    return np.array([found[orders] for orders in (*FIRST, *SECOND)])


def line(mean, deviation, kinks, nodes, weights, reach, panels):
    """Gauss-Legendre for a normal variable, panel by panel, none of which a kink cuts."""
    inside = (kink for kink in kinks if abs(kink - mean) < reach * deviation)
    edges = sorted({mean - reach * deviation, mean + reach * deviation, *inside})
    points, masses = [], []
    for low, high in pairwise(edges):
        parts = max(1, int(panels * (high - low) / (2 * reach * deviation)) + 1)
        width = (high - low) / parts
        for part in range(parts):
            start = low + part * width
            points += [start + width * (node + 1) / 2 for node in nodes]
            masses += [width * weight / 2 for weight in weights]
    return points, masses


def quadrature(name, point, i=0, j=0):
    """E[phi^(i) phi^(j)], i, j < 2, in double precision."""
    f, kinks = CLOSED[name]
    nodes, weights = leggauss(16)
    c12, c11, c22, a, b = point
    slopes = [sp.lambdify(x, sp.diff(f, x, order), ["numpy", "scipy"]) for order in (i, j)]
    h1, w1 = map(np.array, line(a, np.sqrt(c11), kinks, nodes, weights, 9, 8))
    left = w1 * slopes[0](h1) * np.exp(-((h1 - a) ** 2) / (2 * c11)) / np.sqrt(2 * np.pi * c11)
    rest, total = c22 - c12**2 / c11, 0.0
    for u, weight in zip(h1, left, strict=True):
        centre = b + c12 / c11 * (u - a)
        h2, w2 = map(np.array, line(centre, np.sqrt(rest), kinks, nodes, weights, 9, 8))
        density = np.exp(-((h2 - centre) ** 2) / (2 * rest)) / np.sqrt(2 * np.pi * rest)
        total += weight * (w2 * slopes[1](h2) * density).sum()
    return total


@breaks(
    "analytic/expectations/pairs.py",
    "(m1 * s1 / V11, m2 - K12 * m1 / V11)",
    "(m1 * s1 / V11, m2 - K12 * m2 / V11)",
    "a conditional mean with the other's",
    case="1-leaky",
)
@breaks(
    "analytic/expectations/closed.py",
    "cosine = cos(one) * cos(other) - sin(one) * sin(other)",
    "cosine = cos(one) * cos(other) + sin(one) * sin(other)",
    "cosine of a difference",
    case="0-cos",
)
@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("which", [0, 1])
def test_generated_kernels_are_the_expectations(name, which):
    point = at(name, POINTS[which])
    found = dict(zip((*FIRST, *SECOND), moments(name, point), strict=True))
    for i, j in ((0, 0), (1, 1), *([] if activation(CLOSED[name][0]).odd else [(1, 0), (0, 1)])):
        expected = quadrature(name, point, i, j)
        # the quadrature's own error is 1e-13 of the largest values, which `folded` has at |x| = 12
        assert found[i, j] == pytest.approx(expected, rel=1e-11, abs=1e-12), (i, j)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.certify) for name in CLOSED]
)
def test_the_derived_formula_to_thirty_digits(name):
    f, kinks = CLOSED[name]
    point = at(name, POINTS[0])
    exact = [sp.Rational(str(number)) for number in point]
    G = expectation(f).G.subs(dict(zip((K12, K11, K22, m1, m2), exact, strict=True)))
    with mpmath.workdps(36):
        phi = sp.lambdify(x, f.xreplace({n: sp.Rational(str(n)) for n in f.atoms(sp.Float)}), "mpmath")
        c12, c11, c22, a, b = (mpmath.mpf(number.p) / number.q for number in exact)
        nodes, weights = zip(*_legendre(26), strict=True)
        s1, rest = mpmath.sqrt(c11), mpmath.sqrt(c22 - c12**2 / c11)
        total = mpmath.mpf(0)
        for u, w in zip(*line(a, s1, kinks, nodes, weights, 13, 11), strict=True):
            centre = b + c12 / c11 * (u - a)
            inner = line(centre, rest, kinks, nodes, weights, 13, 11)
            value = mpmath.fsum(
                m * phi(t) * mpmath.exp(-(((t - centre) / rest) ** 2) / 2)
                for t, m in zip(*inner, strict=True)
            )
            total += w * phi(u) * mpmath.npdf((u - a) / s1) / s1 * value
        total /= rest * mpmath.sqrt(2 * mpmath.pi)
        assert abs(G.evalf(34) - total) < mpmath.mpf(10) ** -29 * (1 + abs(total))


@cache
def _legendre(size):
    """Nodes and weights to the working precision, from those in double by Newton's steps."""
    found = []
    for start in leggauss(size)[0]:
        node = mpmath.mpf(start)
        for _ in range(3):
            p, q = mpmath.legendre(size, node), mpmath.legendre(size - 1, node)
            slope = size * (q - node * p) / (1 - node**2)
            node -= p / slope
        q = mpmath.legendre(size - 1, node)
        found.append((node, 2 * (1 - node**2) / (size * q) ** 2))
    return found


ENTRIES = {"K12": (0, 1, 1, 1), "K11": (1, 2, 0, 2), "m1": (3, 1, 0, 1)}  # place, orders it adds, 1/factor


@breaks(
    "analytic/expectations/pairs.py",
    "total -= product(2, other) / variance",
    "total += product(2, other) / variance",
    "slope of the second slope of a density",
    case="abs",
)
@breaks(
    "analytic/expectations/pairs.py",
    "-h / site.noise * part.poly",
    "h / site.noise * part.poly",
    "slope of a Gaussian",
    case="gauss",
)
@pytest.mark.parametrize("name", CLOSED)
def test_derivatives_are_of_second_order(name):
    """Central differences of every moment in K12, K11 and m1, against two steps: the error falls as h^2."""
    point = at(name, POINTS[0])
    orders = (*FIRST, *SECOND)
    exact = dict(zip(orders, moments(name, point), strict=True))
    entries = (
        {**ENTRIES} if activation(CLOSED[name][0]).with_means else {k: ENTRIES[k] for k in ("K12", "K11")}
    )
    for place, more_1, more_2, factor in entries.values():

        def difference(step, place=place):
            up, down = list(point), list(point)
            up[place] += step
            down[place] -= step
            return (moments(name, up) - moments(name, down)) / (2 * step)

        steps = (0.02, 0.01)
        coarse, fine = (dict(zip(orders, difference(step), strict=True)) for step in steps)
        known = [(i, j) for i, j in orders if (i + more_1, j + more_2) in exact]
        expected = {o: exact[o[0] + more_1, o[1] + more_2] / factor for o in known}
        errors = [max(abs(d[o] - expected[o]) for o in known) for d in (coarse, fine)]
        scale = 1e-9 * (1 + max(map(abs, exact.values())))  # rounding over a step
        assert errors[1] < scale or 3.8 < errors[0] / errors[1] < 4.2
        assert errors[1] < 0.02 * (1 + max(map(abs, exact.values())))


@pytest.mark.parametrize("name", ["abs", "elu", "hard tanh", "folded"])
def test_kinks_are_finite_where_they_meet(name):
    """The same h twice, and almost: first moments are continuous there (the fourth ones diverge)."""
    for m, v in ((0.0, 1.3), (0.4, 0.6), (0.2, 0.0), (-1.0, 2.0)):
        point = (v, v, v, m, m)
        if activation(CLOSED[name][0]).odd:
            point = (v, v, v, 0.0, 0.0)
        there = moments(name, tuple(max(p, 1e-90) if k in (1, 2) else p for k, p in enumerate(point)))
        assert np.isfinite(there).all()
        if v > 0:
            near = moments(name, (v * (1 - 1e-10), *point[1:]))
            np.testing.assert_allclose(near[:6], there[:6], atol=1e-4)  # sqrt(1 - rho) is 1e-5


def test_known_kernels_come_out():
    """Cho and Saul's arc-cosine kernel, Williams' arcsine kernel."""
    relu = expectation(sp.Max(x, 0)).G_centred
    t = sp.acos(K12 / sp.sqrt(K11 * K22))
    printed = sp.sqrt(K11 * K22) * (sp.sin(t) + (sp.pi - t) * sp.cos(t)) / (2 * sp.pi)
    entries = {K12: sp.Rational(-1, 3), K11: sp.Rational(4, 5), K22: 2}
    assert abs((relu - printed).subs(entries).evalf(30)) < 1e-28
    arcsine = 2 / sp.pi * sp.asin(2 * K12 / sp.sqrt((1 + 2 * K11) * (1 + 2 * K22)))
    assert abs((expectation(sp.erf(x)).G_centred - arcsine).subs(entries).evalf(30)) < 1e-28
    assert sp.simplify(expectation(sp.sin(x)).G_centred - sp.exp(-(K11 + K22) / 2) * sp.sinh(K12)) == 0
    jump = expectation(sp.sign(x)).G_centred  # may be looked at, not run
    assert abs((jump - 2 / sp.pi * sp.asin(K12 / sp.sqrt(K11 * K22))).subs(entries).evalf(30)) < 1e-28
    assert "asin" in expectation(sp.erf(x))._repr_latex_()


def test_price_s_theorem_holds_for_the_formula():
    found = expectation(sp.Max(x, x / 10))
    entries = dict(zip((K12, K11, K22, m1, m2), map(sp.Rational, map(str, POINTS[0])), strict=True))
    slope = sp.diff(found.G, K12).subs(entries).evalf(20)
    assert float(slope) == pytest.approx(moments("leaky", POINTS[0])[4], rel=1e-13)


def test_the_relu_s_formula_gives_the_built_in_relu():
    """Derived twice: E[phi^(i) phi^(j)] of this way against analytic/expectations/relu.py."""
    built_in = load("relu")
    text = activation(sp.Max(x, 0)).source
    with TemporaryDirectory() as folder, _interpreted():
        path = Path(folder, "relu.py")
        path.write_text(text, encoding="utf-8")
        module = _imported(path)
    for c12, c11, c22, a, b in (*POINTS, (1.3, 1.3, 1.3, 0.3, 0.3)):
        D = np.empty((5, 2))
        built_in.statistics(np.array([c11, c22]), np.array([a, b]), D)
        expected = np.empty((15, 1))
        built_in.moments(np.array([c12]), D[:, :1], 0, D[:, 1:], expected)
        entries = (c12, a, c11, b, c22)
        found = [*module.first(*entries), *module.second(*entries)]
        np.testing.assert_allclose(found, expected[:, 0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["leaky", "sin", "gauss"])
def test_generated_files_run(name):
    exercise({"own.py": activation(CLOSED[name][0]).source})


y = sp.Symbol("y", real=True)
REFUSED = {
    "a string": ("sin(x)", r"is a string, which is not evaluated"),
    "a function": (np.sin, "is a ufunc, not a SymPy expression"),
    "two symbols": (sp.sin(x) * y, r"has the symbols x, y; give numbers for the others"),
    "none": (sp.Integer(2), "2 must be a function of one real symbol, but is a constant"),
    "positive": (
        sp.sqrt(sp.Symbol("p", positive=True)),
        r"more than a real number; make it with sympy.Symbol\('p'",
    ),
    "complex": (sp.sqrt(x), "is not a finite real number at x = -20"),
    "imaginary": (sp.I * x, "is not a real number for every x"),
    "a pole": (1 / x, "1/x is not a finite real number at x = 0"),
    "growth": (sp.exp(x**2), "grows faster than a Gaussian falls"),
    "faster": (sp.exp(x * sp.sqrt(1 + x**2)), "grows as fast as a Gaussian falls"),
    "a jump": (sp.sign(x) + x, "jumps at x = 0: .* round it off"),
    "a step": (sp.Heaviside(x - 1), "jumps at x = 1"),
    "kink": (
        sp.Abs(sp.tanh(x)),
        "has a kink or a jump, .* and of a kink where tanh.x. changes its sign none",
    ),
    "kink and wave": (
        sp.Max(x, 0) + sp.sin(x),
        "of a sine or cosine beside a step, erf or Gaussian none is known",
    ),
    "unknown": (sp.besselj(0, x), "besselj is not among the functions that are known"),
    "an unknown power": ((1 + x**2) ** sp.Rational(1, 3), r"cannot be compiled: cannot print the power"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_said_in_one_sentence(case):
    formula, said = REFUSED[case]
    with pytest.raises(ValueError, match=said) as refused:
        activation(formula)
    assert "\n" not in str(refused.value)


def test_no_closed_form_to_look_at():
    with pytest.raises(ValueError, match=r"atan\(x\) has no closed form: of atan\(x\) none is known"):
        expectation(sp.atan(x))
    for error in (0.0, 1, "small", True):
        with pytest.raises(ValueError, match=r"must be a number from 1e-13 to 0\.001"):
            activation(sp.atan(x), error=error)


def test_one_object_wherever_it_goes():
    own = activation(sp.Max(x, x / 10))
    assert activation(sp.Max(y, y / 10)) is own  # whatever the symbol is called
    assert copy.deepcopy(own) is own
    again = pickle.loads(pickle.dumps(own))
    assert again == own
    assert hash(again) == hash(own)
    assert again.source == own.source
    assert str(own) == own.name == "Max(x/10, x)"
    assert activation(sp.atan(x), error=1e-6) != activation(sp.atan(x))
    assert activation(sp.cos(x + 0.3)) is activation(sp.cos(x + sp.Rational(3, 10)))


@pytest.mark.parametrize("name", CLOSED)
def test_a_tree_gives_the_formula_back(name):
    own = activation(CLOSED[name][0])
    held = json.loads(json.dumps(own.tree))
    assert tree(rebuilt(held)) == held
    assert from_tree({"formula": held, "error": own.error}) is own


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (["__import__('os').system", ["x"]], "is not known"),
        (["Symbol", "x"], "is not known"),
        (["integer", "__import__('os')"], "a number that is none"),
        (["integer", "9" * 500], "a number that is none"),
        (["Pow", ["Pow", ["integer", "9" * 300], ["integer", "9"]], ["integer", "9"]], "too long"),
        ("x", "damaged"),
        ([], "damaged"),
        ({"x": 1}, "damaged"),
        (["Add", *[["x"]] * 20000], "too large"),
        (["sin"], "damaged"),
        (["StrictGreaterThan", ["x"], ["integer", "0"]], "no function of x"),
        (["rational", "1", "0"], "a number that is none"),
    ],
    ids=str,
)
def test_a_tree_from_anywhere_is_only_a_tree(nodes, said):
    with pytest.raises(UnknownNode, match=said):
        rebuilt(nodes)


def test_a_tree_too_deep_is_refused():
    nodes = ["x"]
    for _ in range(500):
        nodes = ["sin", nodes]
    with pytest.raises(UnknownNode, match="too large"):
        rebuilt(nodes)


def test_the_symbol_is_the_one_of_the_package():
    assert rebuilt(["x"]) == h
    assert rebuilt(["rational", "1", "2"]) == HALF
