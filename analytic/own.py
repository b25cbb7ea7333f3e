"""An activation from its formula: `activation(expr)` to run it, `expectation(expr)` to see its kernel."""

from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from sympy import Expr, cosh, diff, exp, latex, log, tanh

from analytic.expectations.activations import Activation
from analytic.expectations.closed import Closed, closed
from analytic.expectations.terms import KINKED, NoClosedForm, pieces, shown
from analytic.formulas import checked, refuse_fast_growth
from analytic.generator import forward
from analytic.generator.cache import load_source
from analytic.generator.own import own_file
from analytic.generator.printer import assembled
from analytic.symbols import h, x
from analytic.tree import rebuilt, tree

ERROR = 1e-13  # of the series, of E[phi'^2]
TINIEST_ERROR, LARGEST_ERROR = 1e-13, 1e-3


@dataclass(frozen=True)
class Own:
    """An activation given by a formula, for `activation=` of `cnn` and `fcn`; made by `activation`.

    Attributes
    ----------
    name : str
        The formula.
    odd : bool
        phi(-x) = -phi(x): zero means solve the equations of state.
    closed : bool
        Whether its kernels are in closed form; otherwise they are Mehler's series.
    with_means : bool
        Its compiled kernels take (variance, mean) pairs, as those of units with means do.
    error : float
        Of the series, of E[phi'^2]; 0 where there is none.
    steepest : float
        Largest |b| of an exp(b x) that a kink ends: kernels cancel to exp(2 b^2 variance) times rounding.
    tree : tuple
        The formula as files hold it (`analytic.tree`).
    """

    tree: tuple[Any, ...]
    error: float
    name: str = field(compare=False)
    odd: bool = field(compare=False)
    closed: bool = field(compare=False)
    with_means: bool = field(compare=False)
    steepest: float = field(compare=False)
    source: str = field(compare=False, repr=False)

    @property
    def expr(self) -> Expr:
        """phi(x), x real."""
        return rebuilt(self.tree).xreplace({h: x})

    @cached_property
    def module(self) -> ModuleType:
        """The compiled functions, in the user's cache: kernels, if there are any, and the forward map."""
        return load_source("activation", self.source)

    def phi(self, at: Any) -> Any:
        """phi(x) at every x of an array."""
        return self.activate(at)[0]

    def dphi(self, at: Any) -> Any:
        """The slope of phi at every x of an array."""
        return self.activate(at)[1]

    def activate(self, at: Any) -> tuple[Any, Any]:
        """phi(x) and its slope in one pass, compiled, in single precision where the array is."""
        at = np.asarray(at)
        single = at.dtype == np.float32
        at = np.asarray(at, dtype=np.float32 if single else np.float64, order="C")
        values, slopes = np.empty_like(at), np.empty_like(at)
        fill = self.module.activate_single if single else self.module.activate
        fill(at.reshape(-1), values.reshape(-1), slopes.reshape(-1))
        return values, slopes

    def __reduce__(self) -> tuple[Any, ...]:
        values = (getattr(self, name) for name in self.__dataclass_fields__)
        return Own, tuple(values)  # with its source: another process derives nothing again

    def __deepcopy__(self, memo: object) -> "Own":
        return self

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"activation({self.name})"


@dataclass(frozen=True)
class Expectation:
    """E[phi(h1) phi(h2)] in closed form, h ~ N(m, K).

    Attributes
    ----------
    phi : Expr
        In `analytic.symbols.h`.
    closed : Closed
        Its terms, and the kernel pair by pair.
    """

    phi: Expr
    closed: Closed

    @property
    def G(self) -> Expr:
        """E[phi(h1) phi(h2)] in K12, K11, K22 and the means m1, m2 (`analytic.symbols`).

        quadrant(a, b, rho) is the probability that two normals of correlation rho exceed -a and -b. Slopes in
        the means are E[phi^(i) phi^(j)]; dG/dK12 = E[phi' phi'], dG/dK11 = E[phi'' phi]/2.
        """
        return self.closed.G

    @property
    def G_centred(self) -> Expr:
        """The same at zero means."""
        return self.closed.G_centred

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle \\langle\\phi(h_1)\\phi(h_2)\\rangle_{{m=0}} = {latex(self.G_centred)}$"


_MADE: dict[tuple[Expr, float], Own] = {}


def activation(expr: Expr, error: float = ERROR) -> Own:
    """An activation from its formula, compiled once and kept in the user's cache.

    Its kernel E[phi(h1) phi(h2)], with means where phi is not odd, is derived in closed form for sums of
    polynomials times exponentials, sines and cosines, erf, Gaussians, and for pieces of polynomials and
    exponentials that kinks join (Abs, Max, Min, Piecewise). Of other smooth functions it is Mehler's series.

    Parameters
    ----------
    expr : Expr
        In one real symbol.
    error : float
        Of the series, as a part of E[phi'^2], from 1e-13 to 1e-3: fewer terms, less time.

    Raises
    ------
    ValueError
        Saying why it cannot be done.
    """
    phi = checked(expr)
    if (
        isinstance(error, bool)
        or not isinstance(error, int | float)
        or not (TINIEST_ERROR <= error <= LARGEST_ERROR)
    ):
        raise ValueError(f"error={error!r} must be a number from {TINIEST_ERROR:g} to {LARGEST_ERROR:g}")
    key = (phi, float(error))
    if key not in _MADE:
        _MADE[key] = _made(phi, float(error))
    return _MADE[key]


def expectation(expr: Expr) -> Expectation:
    """E[phi(h1) phi(h2)] of a formula in closed form, to look at and to differentiate; phi may jump.

    Raises
    ------
    ValueError
        Saying why there is none.
    """
    phi = checked(expr)
    try:
        return Expectation(phi, closed(phi, Activation(phi).odd))
    except NoClosedForm as reason:
        raise ValueError(f"{shown(phi)} has no closed form: of {reason} none is known") from None


def from_tree(held: Any) -> Own:
    """The activation that a file holds: {"formula": tree, "error": number, 0 where it is a closed form}."""
    return activation(rebuilt(held["formula"]), held["error"] or ERROR)


def _made(phi: Expr, error: float) -> Own:
    odd = Activation(phi).odd
    name = shown(phi)
    try:
        form = closed(phi, odd)
    except NoClosedForm as reason:
        if phi.has(*KINKED):
            raise ValueError(
                f"{name} has a kink or a jump, which needs a closed form, and of {reason} none is known; "
                "round it off, or write it with polynomials and exponentials between the kinks"
            ) from None
        refuse_fast_growth(phi)
        smooth = phi.replace(_is_logistic, _by_tanh).replace(_is_softplus, _by_cosh)
        source = _printed(phi, lambda: assembled(f"Activation {name}.", forward.compiled(smooth)))
        return Own(_tuple(tree(phi)), error, name, odd, False, True, 0.0, source)
    if jumps := form.terms.jumps():
        raise ValueError(
            f"{name} jumps at x = {jumps[0]}: E[phi' phi'] of a datum with itself is infinite there, and no "
            "gradient leads across; round it off, as erf(10*x) does a sign"
        )
    value = pieces(phi) if form.terms.kinked else phi
    steepest = max(
        (abs(float(b)) for s in form.terms.found if s.sharp for _, b, _ in form.terms.found[s]), default=0.0
    )
    source = _printed(phi, lambda: own_file(name, form, value, diff(value, h)))
    return Own(_tuple(tree(phi)), 0.0, name, odd, True, not form.elementary, steepest, source)


def _printed(phi: Expr, text: Any) -> str:
    try:
        return str(text())
    except (NameError, NotImplementedError) as missing:
        raise ValueError(f"{shown(phi)} cannot be compiled: {missing}") from None


# Where exp overflows these do not, nor do their slopes.


def _one_and_exponential(part: Expr) -> bool:
    return part.is_Add and len(part.args) == 2 and isinstance(part - 1, exp)


def _is_logistic(part: Expr) -> bool:
    """1/(1 + exp(u))^k."""
    return part.is_Pow and part.exp.is_Integer and part.exp < 0 and _one_and_exponential(part.base)


def _by_tanh(part: Expr) -> Expr:
    return ((1 - tanh((part.base - 1).args[0] / 2)) / 2) ** (-part.exp)


def _is_softplus(part: Expr) -> bool:
    """log(1 + exp(u))."""
    return isinstance(part, log) and _one_and_exponential(part.args[0])


def _by_cosh(part: Expr) -> Expr:
    half = (part.args[0] - 1).args[0] / 2
    return half + log(2 * cosh(half))


def _tuple(nodes: list[Any]) -> tuple[Any, ...]:
    return tuple(_tuple(part) if isinstance(part, list) else part for part in nodes)
