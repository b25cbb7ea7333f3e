"""The activations: forward maps, what a kernel map needs of each, and how to give one's own.

The built-in ones are what `analytic/expectations/activations.py` lists and `python -m analytic` generated.
Where phi is odd every mean of the theory is zero; kernels in closed form are then functions of variances
alone (erf, linear, sin). Other kernels take a variance and a mean per pre-activation, stacked as (P, 2, n):
`relu` in closed form, `tanh`, `gelu` and your own smooth functions by Mehler's series (`numerics.hermite`);
where pre-activations vary so much that it is long, `gelu` in closed form and `tanh` as a mixture of signs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from numerics import _generated, hermite
from numerics.hermite import Function

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]


class Activation(Protocol):
    """What a kernel map runs.

    Attributes
    ----------
    name : str
    odd : bool
        phi(-h) = -phi(h): zero means solve the equations of state and are not tracked.
    with_means : bool
        The loops take (variance, mean) pairs per datum, shape (2, n), instead of variances (n,).
    loops : module
        `add_value`, `adjoint`, `add_tangent` and `adjoint_tangent` over a tile of a kernel; `add_values`,
        `adjoints`, `add_tangents` and `adjoint_tangents` over the tiles of kernels made from inputs.
    phi, dphi : callable
        phi(h) and its slope on arrays.
    """

    @property
    def name(self) -> str: ...
    @property
    def odd(self) -> bool: ...
    @property
    def with_means(self) -> bool: ...
    @property
    def loops(self) -> ModuleType: ...

    def statistics(self, moments: Array) -> Array:
        """What the loops need of each datum: (P, n), or (P, rows, n), from (P, n) or (P, 2, n) moments."""

    def rows(self, variance: float) -> int:
        """Numbers in `statistics` per datum, at a variance; or of a series that takes as long."""

    def phi(self, h: Array, /) -> Array: ...
    def dphi(self, h: Array, /) -> Array: ...

    def activate(self, h: Floats) -> tuple[Floats, Floats]:
        """phi(h) and its slope, together, in the precision of h."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class BuiltIn:
    """An activation with a generated forward map; its name says which, also in a file or another process."""

    name: str

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return named, (self.name,)

    @property
    def odd(self) -> bool:
        return _generated.ACTIVATIONS[self.name].odd

    @property
    def with_means(self) -> bool:
        return _generated.ACTIVATIONS[self.name].with_means

    @property
    def loops(self) -> ModuleType:
        return _generated.load(_generated.ACTIVATIONS[self.name].loops)

    def phi(self, h: Array) -> Array:
        """phi(h), a new array of the shape of h."""
        return _new(_generated.load_numpy(self.name).phi, h)

    def dphi(self, h: Array) -> Array:
        """The slope of phi at h, a new array of the shape of h."""
        return _new(_generated.load_numpy(self.name).dphi, h)

    def activate(self, h: Floats) -> tuple[Floats, Floats]:
        """phi(h) and its slope in one pass, compiled, in single precision where h is: to some 4e-7 of them.
        The generated `activate(h, phi, dphi)` and `activate_single` fill arrays of one dimension in place."""
        single = h.dtype == np.float32
        h = np.asarray(h, dtype=np.float32 if single else np.float64, order="C")
        values, slopes = np.empty_like(h), np.empty_like(h)
        loops = _generated.load(self.name)
        fill = loops.activate_single if single else loops.activate
        fill(h.reshape(-1), values.reshape(-1), slopes.reshape(-1))
        return values, slopes


class ClosedForm(BuiltIn):
    """With kernels in closed form."""

    def rows(self, variance: float) -> int:
        return self.loops.STATISTICS if self.with_means else 1

    def statistics(self, moments: Array) -> Array:
        return _statistics(self.loops, self.with_means, moments)


def _statistics(loops: ModuleType, with_means: bool, moments: Array) -> Array:
    """What the loops of a closed form keep of each datum."""
    if not with_means:
        D = np.empty(moments.shape)
        loops.statistics(np.ascontiguousarray(moments).reshape(-1), D.reshape(-1))
        return D
    D = np.empty((len(moments), loops.STATISTICS, moments.shape[2]))
    for pixel, out in zip(moments, D, strict=True):
        loops.statistics(pixel[0], pixel[1], out)
    return D


LARGEST = 1e14  # variance, of which 1e-16 is as much as a bend of width one bears


class OutOfRange(ValueError):
    """An activation is not resolved at a state; a solver's trial step may meet it and turn back."""


class Series(BuiltIn):
    """With kernels by Mehler's series."""

    def rows(self, variance: float) -> int:
        return _series_rows(self.dphi, variance)

    def statistics(self, moments: Array) -> Array:
        return _series_statistics(self, moments)


class SeriesOrWide(BuiltIn):
    """By Mehler's series where it is short, and in a form for pre-activations that vary widely elsewhere.

    That form is the last `loops.WIDE` rows of the statistics; the series has no rows where it is not used.
    """

    def rows(self, variance: float) -> int:
        return min(_series_rows(self.dphi, variance), 1 + 2 * self.loops.MOST_TERMS)

    def statistics(self, moments: Array) -> Array:
        wide = self.loops.WIDE
        if moments.size and moments[:, 0].max() > LARGEST:
            raise OutOfRange(
                f"activation {self.name!r}: pre-activations have the variance {moments[:, 0].max():.3g}, "
                "whose rounding in double precision is as wide as the activation's bend; lower "
                "weight_variance, or rescale X and y"
            )
        try:
            most = self.loops.MOST_TERMS
            D = hermite.statistics(self.phi, self.dphi, self.odd, moments, most, wide)
        except hermite.TooManyTerms:
            D = np.zeros((len(moments), 1 + wide, moments.shape[2]))
            if self.odd and moments[:, 1].any():
                raise _too_steep(self, moments) from None
        for (variances, means), out in zip(moments, D, strict=True):
            self.loops.statistics(np.maximum(variances, 0.0), means, out[-wide:])
        return D


@dataclass(frozen=True, repr=False)
class Quadrature:
    """A smooth activation given by phi and phi'; made and checked by `quadrature`."""

    name: str
    phi: Function
    dphi: Function
    odd: bool

    @property
    def with_means(self) -> bool:
        """The loops take them; where phi is odd they are zero."""
        return True

    @property
    def loops(self) -> ModuleType:
        return _generated.load("series")

    def rows(self, variance: float) -> int:
        return _series_rows(self.dphi, variance)

    def statistics(self, moments: Array) -> Array:
        return _series_statistics(self, moments)

    def activate(self, h: Floats) -> tuple[Floats, Floats]:
        """phi(h) and its slope, in the precision of h."""
        dtype = np.float32 if h.dtype == np.float32 else np.float64
        wide = h.astype(np.float64, copy=False)
        return np.asarray(self.phi(wide), dtype), np.asarray(self.dphi(wide), dtype)

    def __deepcopy__(self, memo: object) -> Quadrature:
        return self  # nothing in it changes

    def __repr__(self) -> str:
        return f"quadrature({self.name!r})"

    def __str__(self) -> str:
        return self.name


class Formula(Protocol):
    """What `analytic.activation` makes of a formula: a compiled module, and what is in it."""

    @property
    def name(self) -> str: ...
    @property
    def odd(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    @property
    def with_means(self) -> bool: ...
    @property
    def error(self) -> float: ...
    @property
    def steepest(self) -> float: ...
    @property
    def tree(self) -> Any: ...
    @property
    def module(self) -> ModuleType: ...
    def phi(self, h: Array, /) -> Array: ...
    def dphi(self, h: Array, /) -> Array: ...
    def activate(self, h: Floats, /) -> tuple[Floats, Floats]: ...
    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class OfFormula:
    """A user's formula, run: in closed form where `analytic` derived one, by Mehler's series otherwise."""

    formula: Formula

    @property
    def name(self) -> str:
        return self.formula.name

    @property
    def odd(self) -> bool:
        return self.formula.odd

    @property
    def with_means(self) -> bool:
        return self.formula.with_means

    @property
    def loops(self) -> ModuleType:
        return self.formula.module if self.formula.closed else _generated.load("series")

    def rows(self, variance: float) -> int:
        if not self.formula.closed:
            return _series_rows(self.dphi, variance, self.formula.error)
        return self.loops.STATISTICS if self.with_means else 1

    def statistics(self, moments: Array) -> Array:
        if not self.formula.closed:
            return _series_statistics(self, moments, self.formula.error)
        steepest = self.formula.steepest
        if moments.size and steepest and 2 * steepest**2 * moments[:, 0].max() > CANCELLED:
            raise OutOfRange(
                f"activation {self.name!r}: where pre-activations vary by {moments[:, 0].max():.3g} an "
                "exponential beside a kink leaves fewer than ten digits; lower weight_variance, or rescale "
                "X and y"
            )
        return _statistics(self.loops, self.with_means, moments)

    def phi(self, h: Array, /) -> Array:
        return self.formula.phi(h)

    def dphi(self, h: Array, /) -> Array:
        return self.formula.dphi(h)

    def activate(self, h: Floats) -> tuple[Floats, Floats]:
        return self.formula.activate(h)

    def __str__(self) -> str:
        return self.name


CANCELLED = 13.8  # log of what rounding, 1e-16, may be multiplied by


def _series_rows(dphi: Function, variance: float, tail: float = hermite.TAIL) -> int:
    try:
        return 1 + 2 * hermite.terms_needed(dphi, np.zeros(1), np.full(1, variance**0.5), tail=tail)
    except hermite.TooManyTerms:
        return 1 + 2 * hermite.SEEN


def _series_statistics(activation: Activation, moments: Array, tail: float = hermite.TAIL) -> Array:
    try:
        return hermite.statistics(activation.phi, activation.dphi, activation.odd, moments, tail=tail)
    except hermite.TooManyTerms:
        raise _too_steep(activation, moments) from None


def _too_steep(activation: Activation, moments: Array) -> OutOfRange:
    return OutOfRange(
        f"activation {activation.name!r} is too steep at the largest variance "
        f"{moments[:, 0].max():.3g} of its pre-activations: {hermite.SEEN} Hermite terms do not "
        "resolve it; lower weight_variance, rescale X, or use 'relu' or 'erf'"
    )


def _new(function: Callable[[Array], Any], h: Array) -> Array:
    """What a generated function gives: it may be a number, or h itself."""
    h = np.asarray(h, dtype=np.float64)
    values = function(h)
    fresh = isinstance(values, np.ndarray) and values is not h
    return values if fresh else np.full(h.shape, values)


def quadrature(name: str, phi: Function, dphi: Function) -> Quadrature:
    """An activation of your own: any smooth phi with its derivative, for `activation=` of a network.

    Expectations are accurate to about 1e-13 of their scale; where the activation is too steep for that,
    solving raises a ValueError. Whether phi is odd, so that there are no means, is found out.

    Parameters
    ----------
    name : str
        For messages. Files of solutions do not hold functions, so such a solution cannot be saved; it can be
        pickled if the functions can (those of a module, not those made on the spot).
    phi, dphi : callable
        phi and its derivative on arrays of floats: NumPy expressions, `numba.vectorize` or array-valued
        `numba.njit` functions.

    Raises
    ------
    ValueError
        When the functions do not take arrays, dphi is not the derivative of phi, or phi has a kink.
    """
    if not isinstance(name, str) or not name or name in BUILT_IN:
        raise ValueError(f"name={name!r} must be a new name, none of {ACTIVATIONS}")
    for argument, function in (("phi", phi), ("dphi", dphi)):
        _check_arrays(argument, function)
    if not _by_parts(phi, dphi):
        raise ValueError(
            f"activation {name!r}: dphi is not the derivative of phi, or phi has a kink; check both"
        )
    grid = np.linspace(0.0, 6.0, 241)
    odd = bool(np.abs(phi(grid) + phi(-grid)).max() <= 1e-14 * np.abs(phi(grid)).max())
    return Quadrature(name, phi, dphi, odd)


_CHECKED = 24  # coefficients that are compared


def _by_parts(phi: Function, dphi: Function) -> bool:
    """Whether the coefficients of phi and of its slope are those of one smooth function."""
    m, s = np.array([0.0, 0.7, -1.3]), np.array([1.0, 0.5, 1.4])
    c, d = (hermite.coefficients(function, m, s, _CHECKED + 1) for function in (phi, dphi))
    by_parts = np.sqrt(np.arange(1, _CHECKED + 1)) * c[:, 1:] / s[:, None]
    return bool(np.abs(by_parts - d[:, :-1]).max() <= 1e-7 * (1 + np.abs(d).max()))


@cache
def _of_formula(formula: Formula) -> OfFormula:
    if not formula.closed and not _by_parts(formula.phi, formula.dphi):
        raise ValueError(
            f"activation {formula.name!r} has a pole, a kink or a bend so sharp that quadrature does not "
            "resolve it; smooth it"
        )
    return OfFormula(formula)


def of_tree(tree: Any) -> Formula:
    """The activation whose formula a file holds, by what is installed to read formulas.

    Raises
    ------
    ValueError
        When nothing is, or the tree is not a formula.
    """
    readers = entry_points(group="feature_eos.formulas")
    if not readers:
        raise ValueError(
            "its activation is a formula, which the package reads where it is installed: pip install it"
        )
    return next(iter(readers)).load()(tree)


def _check_arrays(argument: str, function: Function) -> None:
    grid = np.linspace(-4.0, 4.0, 6).reshape(2, 3)
    try:
        values = np.asarray(function(grid))
    except Exception as error:  # whatever a user's function raises
        raise ValueError(
            f"{argument} failed on an array ({type(error).__name__}); write it with NumPy or numba.vectorize"
        ) from error
    if values.shape != grid.shape or values.dtype.kind != "f" or not np.isfinite(values).all():
        raise ValueError(
            f"{argument} must return finite floats in the shape of its argument; write it with NumPy or "
            "numba.vectorize"
        )


BUILT_IN: dict[str, Activation] = {
    name: (ClosedForm if not entry.series else Series if entry.loops == "series" else SeriesOrWide)(name)
    for name, entry in _generated.ACTIVATIONS.items()
}
ACTIVATIONS = tuple(BUILT_IN)


def named(activation: str | Activation | Formula) -> Activation:
    """The activation of a name; one's own passes through.

    Raises
    ------
    ValueError
        For an unknown name, listing what exists.
    """
    if isinstance(activation, str):
        if activation in BUILT_IN:
            return BUILT_IN[activation]
    elif hasattr(activation, "loops") and hasattr(activation, "statistics"):
        return cast(Activation, activation)
    elif hasattr(activation, "tree") and hasattr(activation, "module"):
        return _of_formula(activation)
    raise ValueError(f"activation={activation!r} is unknown; choose one of {ACTIVATIONS}")
