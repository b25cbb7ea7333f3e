"""The reduced theory at finite fan-in of the readout, as SymPy objects and to any number of digits.

>>> from analytic import reduced_equation
>>> eq = reduced_equation(readout="finite_fan_in")
>>> eq.free_energy, eq.equations, eq.solve(n=1600, C=640)  # doctest: +SKIP
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import mpmath
from sympy import Eq, Expr, Symbol, diff, lambdify
from sympy import latex as sympy_latex

from analytic.emit.fan_in import fan_in_source
from analytic.scalar.arguments import as_mpf, exact_values, inverse_width, whole
from analytic.scalar.fan_in import UNKNOWNS, eigenvalue_and_rest, gaussian_condition, jacobian, system
from analytic.symbols import ARGUMENTS, N, S, T, alpha, g2, lam, n, sigma2, x

LEAST_PATCH = 1
STEPS = 400  # of the continuation in 1/C, at most
NEWTON = 60
CIRCLE = 12  # points beyond the order, on which a series is read off
SHRINK, TRIES = 4, 30


@dataclass(frozen=True)
class FanInState:
    """A solution; mpmath numbers.

    Attributes
    ----------
    alpha, alpha_test, ratio, inert_ratio
        As in `ReducedEquation.solve`.
    response, fluctuation, response_across, fluctuation_across
        p and q of a channel's readout weights, along a* and across it.
    ridge, fluctuation_ridge
        kappa that the kernels Q_p and Q_q leave.
    """

    alpha: Any
    alpha_test: Any
    ratio: Any
    inert_ratio: Any
    response: Any
    fluctuation: Any
    response_across: Any
    fluctuation_across: Any
    ridge: Any
    fluctuation_ridge: Any


class FanInEquation:
    """Eight equations for r, r_0, the p and q along and across a*, and two ridges (derived).

    Attributes
    ----------
    activation : str
    eigenvalue, rest : Expr
        lambda and T in the variances, N and S.
    """

    def __init__(self, activation: str):
        self.activation = activation
        self.eigenvalue, self.rest = eigenvalue_and_rest(activation)

    @property
    def free_energy(self) -> Expr:
        """F / C, in x = 1/C, lambda and T."""
        return system().free_energy

    @property
    def unknowns(self) -> tuple[Symbol, ...]:
        return UNKNOWNS

    @property
    def equations(self) -> tuple[Eq, ...]:
        """What holds at a solution."""
        return tuple(Eq(residual, 0) for residual in system().residuals)

    @property
    def latex(self) -> str:
        """LaTeX of F / C."""
        return sympy_latex(self.free_energy)

    @property
    def symbols(self) -> Mapping[str, Symbol]:
        """Symbols by the argument names of `numerics.reduced.alpha`, and alpha."""
        return {**ARGUMENTS, "alpha": alpha}

    def limits(self) -> dict[str, Expr]:
        """The condition on kappa at C = inf, where alpha = 1/(n (lambda + kappa)) and all else is 1: that of
        the closure "ridge"."""
        return {"C -> inf": gaussian_condition().subs({lam: self.eigenvalue, T: self.rest})}

    def solve(self, *, digits: int = 30, **values: Any) -> FanInState:
        """The state that joins the Gaussian process, to `digits` digits.

        Raises
        ------
        ValueError
            Where it cannot be followed down to this C.
        """
        digits = whole("digits", digits, 1)
        with mpmath.workdps(digits + 15):
            numbers = self._numbers(values, digits + 15)
            u = self._continued(numbers, as_mpf(inverse_width(values)))
            z = [mpmath.exp(each) for each in u]
            found = self._functions[2](*z, *numbers)
        with mpmath.workdps(digits):
            return FanInState(*(+mpmath.re(each) for each in (*found, *z)))

    def series(self, order: int, of: str = "alpha", *, digits: int = 30, **values: Any) -> list[Any]:
        """c_0..c_order of sum_k c_k / C^k of alpha around the Gaussian-process limit.

        By Cauchy's formula on a circle of complex 1/C, which is shrunk until the state comes back to where it
        began and half of it gives the same.
        """
        if of != "alpha":
            raise ValueError(f"of={of!r}: at finite fan-in the series is that of 'alpha'")
        order, digits = whole("order", order, 0), whole("digits", digits, 1)
        with mpmath.workdps(2 * digits + 20):
            numbers = self._numbers(values, 2 * digits + 20)
            radius = mpmath.mpf(1) / (4 * numbers[1])  # C of four times N
            before = None
            for _ in range(TRIES):
                found = self._on_circle(numbers, radius, order, digits)
                if found is not None and before is not None and _alike(found, before, digits):
                    with mpmath.workdps(digits):
                        return [+each for each in found]
                before, radius = found, radius / SHRINK
        raise ValueError("the series was not found: C = inf is closer to a singularity than its digits allow")

    @property
    def source(self) -> str:
        """The text of the generated solver that `numerics.reduced` runs."""
        if self.activation != "erf":
            raise ValueError("solvers are generated for erf")
        return fan_in_source()

    def _numbers(self, values: Mapping[str, Any], digits: int) -> list[Any]:
        """n, N, S, sigma^2, lambda, T and g^2."""
        exact: dict[Symbol, Any] = dict(exact_values({"C": 1} | dict(values), LEAST_PATCH))
        exact |= {lam: self.eigenvalue.subs(exact).evalf(digits), T: self.rest.subs(exact).evalf(digits)}
        return [as_mpf(exact[symbol]) for symbol in (n, N, S, sigma2, lam, T, g2)]

    @cached_property
    def _functions(self) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
        """Residuals, their Jacobian, and (alpha, alpha_test), of unknowns, numbers (and x)."""
        found = system()
        arguments = [*UNKNOWNS, n, N, S, sigma2, lam, T, g2]
        flat = [entry for row in jacobian(found.residuals) for entry in row]
        slopes = [diff(residual, x) for residual in found.residuals]
        return (
            lambdify([*arguments, x], [*found.residuals, *slopes], modules="mpmath", cse=True),
            lambdify([*arguments, x], flat, modules="mpmath", cse=True),
            lambdify(arguments, [found.alpha, found.alpha_test], modules="mpmath", cse=True),
        )

    def _gaussian(self, numbers: list[Any]) -> Any:
        number, patches, size, noise, lambda_, rest, _ = numbers
        tau = noise + rest
        half = (lambda_ - (tau + patches * size * lambda_) / number) / 2
        ridge = -half + mpmath.sqrt(half**2 + lambda_ * tau / number)
        return [mpmath.mpf(0)] * 6 + [mpmath.log(ridge)] * 2

    def _newton(self, u: Any, numbers: list[Any], at: Any) -> Any:
        """The logarithms of the unknowns at x, from a guess; None where it does not get there."""
        small = mpmath.mpf(10) ** (5 - mpmath.mp.dps)
        for _ in range(NEWTON):
            step, _ = self._step(u, numbers, at)
            size = max(abs(each) for each in step)
            if size > 1:
                return None
            u = [a - b for a, b in zip(u, step, strict=True)]
            if size < small:
                return u
        return None

    def _step(self, u: Any, numbers: list[Any], at: Any) -> tuple[Any, Any]:
        """Newton's step, and du/dx."""
        z = [mpmath.exp(each) for each in u]
        both = self._functions[0](*z, *numbers, at)
        J = mpmath.matrix(8, 8)
        for position, entry in enumerate(self._functions[1](*z, *numbers, at)):
            J[position // 8, position % 8] = entry
        step = mpmath.lu_solve(J, mpmath.matrix(both[:8]))
        slope = mpmath.lu_solve(J, mpmath.matrix(both[8:]))
        return list(step), [-each for each in slope]

    def _continued(self, numbers: list[Any], to: Any, start: Any = None, frm: Any = 0) -> Any:
        """The logarithms at x = `to`, followed from another x or from the Gaussian process."""
        u, at, share = (self._gaussian(numbers) if start is None else start), mpmath.mpf(0), mpmath.mpf(1)
        for _ in range(STEPS):
            if at >= 1:
                return u
            slope = self._step(u, numbers, frm + at * (to - frm))[1]
            ahead = min(at + share, mpmath.mpf(1))
            guess = [a + (ahead - at) * (to - frm) * b for a, b in zip(u, slope, strict=True)]
            found = self._newton(guess, numbers, frm + ahead * (to - frm))
            if found is None or max(abs(a - b) for a, b in zip(found, guess, strict=True)) > 0.5:
                share /= 4
                continue
            u, at, share = found, ahead, 2 * share
        raise ValueError("the state could not be followed from C = inf to this C; take a larger one")

    def _on_circle(self, numbers: list[Any], radius: Any, order: int, digits: int) -> list[Any] | None:
        """Coefficients by the trapezoidal rule; None where the circle does not close."""
        count = order + CIRCLE + digits
        try:
            u = self._continued(numbers, radius)
        except ValueError:
            return None
        first, values = u, []
        places = [radius * mpmath.expjpi(mpmath.mpf(2 * k) / count) for k in range(count + 1)]
        for here, there in pairwise(places):
            values.append(self._functions[2](*(mpmath.exp(each) for each in u), *numbers)[0])
            try:
                u = self._continued(numbers, there, u, here)
            except ValueError:
                return None
        if max(abs(a - b) for a, b in zip(first, u, strict=True)) > mpmath.mpf(10) ** -digits:
            return None
        return [
            mpmath.re(sum(v * mpmath.expjpi(-mpmath.mpf(2 * j * k) / count) for j, v in enumerate(values)))
            / count
            / radius**k
            for k in range(order + 1)
        ]

    def _repr_latex_(self) -> str:
        return f"${self.latex}$"

    def __repr__(self) -> str:
        return f"FanInEquation(activation={self.activation!r})"


def _alike(one: list[Any], other: list[Any], digits: int) -> bool:
    close = mpmath.mpf(10) ** -digits
    return all(abs(a - b) <= close * abs(a) for a, b in zip(one, other, strict=True))


__all__ = ["FanInEquation", "FanInState"]
