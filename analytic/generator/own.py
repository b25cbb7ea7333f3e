"""The file of an activation that is a sum of terms: kernels at zero means, or pair by pair with means."""

from collections.abc import Sequence

from sympy import Expr, Integer, diff

from analytic.expectations.closed import Closed
from analytic.expectations.kernels import Kernel
from analytic.expectations.pairs import DELTA, DELTA_SYMBOL, ONE, STEP, Base, Pair
from analytic.expectations.relu import FIRST, SECOND
from analytic.expectations.terms import Site
from analytic.generator import forward
from analytic.generator.kernels import kernel_functions
from analytic.generator.means import listed
from analytic.generator.primitives import NUMBA, Import
from analytic.generator.printer import assembled, function, template
from analytic.generator.relu import owen_constants
from analytic.symbols import D1, D2, K11, K12, K22, V11, V22, detK, detV, m1, m2, v

GROUPS = {"value": FIRST[:1], "first": FIRST, "second": SECOND}
ENTRIES = ("K12", "x1", "K11", "x2", "K22", "V11", "V22", "detK", "detV")
ARGUMENTS = (K12, m1, K11, m2, K22)
JIT = '@njit(error_model="numpy")\n'


def own_file(name: str, of: Closed, phi: Expr, dphi: Expr) -> str:
    """The text of one activation's file, forward map included; phi and dphi as they are to be printed."""
    if of.elementary:
        G = of.G_centred
        kernel = Kernel(name, v, G, G.subs({K11: D1, K22: D2}), Integer(1))
        blocks = [kernel_functions(kernel), template("tile_loops"), template("input_loops")]
    else:
        blocks = _with_means(of)
    title = f"Activation {name}, (h1, h2) ~ N(m, K); derived in analytic/expectations/closed.py."
    # asin is not called where both means are zero
    providers = {**NUMBA, "asin": Import("math", "asin", "asin")} if of.pairs else NUMBA
    return assembled(title, [*blocks, *forward.compiled(phi, dphi)], providers)


def _with_means(of: Closed) -> list[str]:
    blocks: list[str] = []
    if of.pairs:
        blocks += [owen_constants(), *map(template, ("quadrant", "difference", "pair_steps"))]
    for group, orders in GROUPS.items():
        calls: list[list[str]] = []
        if of.smooth != 0:
            outputs = [diff(of.smooth, m1, i, m2, j) for i, j in orders]
            blocks.append(
                function(f"smooth_{group}", ARGUMENTS, outputs, doc=f"Without steps, {listed(orders)}.")
            )
            calls.append([f"smooth_{group}(K12, m1, K11, m2, K22)"])
        for index, pair in enumerate(of.pairs):
            outputs = [pair.moment(i, j) for i, j in orders]
            if all(output == 0 for output in outputs):
                continue
            name = f"pair_{index}_{group}"
            bases = [*pair.bases.values(), DELTA_SYMBOL]
            given = (*ARGUMENTS, V11, V22, detK, detV, *bases)
            blocks.append(
                function(name, given, outputs, pair.lets, doc=f"E[phi^(i) phi^(j)], {listed(orders)}.")
            )
            calls.append(_call(name, pair))
        blocks.append(_sum(group, calls, len(orders)))
    return [*blocks, *map(template, ("given_moments", "mean_tile_loops", "input_loops"))]


def _sum(name: str, calls: Sequence[list[str]], outputs: int) -> str:
    """The function that adds up what each of the calls returns."""
    lines: list[str] = []
    results: list[str] = []
    for index, call in enumerate(calls):
        *before, last = call
        lines += [*before, f"r{index} = {last}"]
        results.append(f"r{index}")
    if outputs == 1:
        returned = " + ".join(results) or "0.0"
    else:
        entries = (" + ".join(f"{r}[{k}]" for r in results) or "0.0" for k in range(outputs))
        returned = "(\n" + "".join(f"        {entry},\n" for entry in entries) + "    )"
    body = "".join(f"    {line}\n" for line in [*lines, f"return {returned}"])
    return f'{JIT}def {name}(K12, m1, K11, m2, K22):\n    """The sum over pairs of sites."""\n{body}'


def _call(name: str, pair: Pair) -> list[str]:
    """Lines that make what a pair's function takes, and its call."""
    noises = [_text(site.noise) for site in pair.sites]
    s1, s2 = noises
    c1, c2 = (_text(site.at or 0) for site in pair.sites)
    lines = [
        f"x1 = m1 - {c1}",
        f"x2 = m2 - {c2}",
        f"V11 = K11 + {s1}",
        f"V22 = K22 + {s2}",
        "detK = max(difference(K11, K22, K12, K12), 0.0)",
        f"detV = detK + ({s1} * K22 + {s2} * K11 + {s1} * {s2})",
    ]
    no_exponents = (Integer(0), Integer(0))
    kinks_meet = all(site.sharp for site in pair.sites)
    exponents = list(dict.fromkeys(base.exponents for base in pair.bases))
    if kinks_meet and no_exponents not in exponents:
        exponents.append(no_exponents)
    prefixes = {each: f"e{index}" for index, each in enumerate(exponents)}
    for each, prefix in prefixes.items():
        lines += _bases(prefix, each, pair.sites, noises)
    values = [_base(prefixes[base.exponents], base) for base in pair.bases]
    determinant = f"{prefixes[no_exponents]}_Delta" if kinks_meet else "0.0"
    given = ", ".join([*ENTRIES, *values, determinant])
    return [*lines, f"{name}({given})"]


def _base(prefix: str, base: Base) -> str:
    if ONE in base.kinds:
        value = f"{prefix}_{'P' if STEP in base.kinds else 'A1' if DELTA in base.kinds else 'one'}"
    else:
        value = f"{prefix}_{STEPS[base.kinds]}"
    return value if base.exponents == (0, 0) else f"{prefix}_weight * {value}"


STEPS = {(STEP, STEP): "P", (DELTA, STEP): "A1", (STEP, DELTA): "A2", (DELTA, DELTA): "J"}


def _bases(
    prefix: str, exponents: tuple[Expr, Expr], sites: tuple[Site, Site], noises: Sequence[str]
) -> list[str]:
    """Lines that make P, A1, A2, J, det V J for two exponents, or P, A1 of the one step that there is."""
    e1, e2 = (_text(b) for b in exponents)
    x1, x2 = "x1", "x2"
    lines: list[str] = []
    if exponents != (0, 0):
        quadratic = f"0.5 * ({e1} * {e1} * K11 + 2.0 * {e1} * {e2} * K12 + {e2} * {e2} * K22)"
        lines.append(f"{prefix}_weight = exp({e1} * x1 + {e2} * x2 + {quadratic})")
        x1, x2 = f"x1 + {e1} * K11 + {e2} * K12", f"x2 + {e1} * K12 + {e2} * K22"
    left, right = (site.at is not None for site in sites)
    if left and right:
        values = ", ".join(f"{prefix}_{what}" for what in (*STEPS.values(), "Delta"))
        s1, s2 = noises
        lines.append(f"{values} = together(K12, {x1}, K11, {s1}, {x2}, K22, {s2})")
    else:
        lines.append(f"{prefix}_P, {prefix}_A1 = alone({x1 if left else x2}, {'V11' if left else 'V22'})")
    return lines


def _text(number: Expr | int) -> str:
    value = float(number)
    return f"({value!r})" if value < 0 else repr(value)
