"""The mutations of `mutate.py`: one token each, with the test that must notice.

A witness shares nothing with the mutated line: a derivative by differences, a dense oracle, an exact
symmetry, a network solved by hand. Neither drift of generated files nor golden numbers serve.
"""

from __future__ import annotations

from dataclasses import dataclass

NUMERICS = "tests/numerics"
ORACLE = f"{NUMERICS}/test_solve.py::test_alpha_sigma_and_free_energy_are_the_oracle_s[erf]"
FIELDS = f"{NUMERICS}/test_solve.py::test_fields_are_the_oracle_s[erf]"
ONE_PIXEL = f"{NUMERICS}/test_solve.py::test_one_linear_pixel_is_the_root_of_a_cubic"
RESIDUAL = f"{NUMERICS}/test_solve.py::test_residual_is_that_of_equation_8_recomputed_by_the_oracle[erf]"
TANGENT = f"{NUMERICS}/test_solve.py::test_distance_to_the_tangent_falls_with_the_square_of_1_over_C[erf]"
GP_FIELDS = (
    f"{NUMERICS}/test_solve.py"
    "::test_gaussian_process_of_a_solution_has_its_own_eps_and_the_network_s_width[erf]"
)
GRADIENT = (
    f"{NUMERICS}/test_free_energy.py"
    "::test_gradient_of_the_free_energy_by_central_differences_of_order_two[erf]"
)
PULL = f"{NUMERICS}/test_free_energy.py::test_pull_is_minus_twice_the_derivative_of_the_data_term[erf]"
HESSIAN = f"{NUMERICS}/test_free_energy.py::test_hessian_product_by_central_differences_of_order_two[erf]"
EVIDENCE = f"{NUMERICS}/test_free_energy.py::test_infinite_width_is_the_log_evidence_of_the_process[erf]"
ADJOINT = (
    f"{NUMERICS}/test_kernel_maps.py"
    "::test_adjoint_is_the_weighted_derivative_and_reads_the_lower_triangle_alone[erf-tiny panels]"
)
NEXT_DATUM = (
    f"{NUMERICS}/test_predict.py"
    "::test_mean_and_noisy_std_are_the_law_of_the_next_observation_by_the_evidence[erf-100.0]"
)
COVARIANCE = (
    f"{NUMERICS}/test_predict.py::test_mean_std_and_covariance_are_those_of_dense_regression[erf-100.0]"
)
FITTED = f"{NUMERICS}/test_predict.py::test_training_inputs_are_fitted_as_f_bar_says[erf-100.0]"
PATCH_TWICE = f"{NUMERICS}/test_symmetries.py::test_each_patch_twice_changes_the_load_alone[erf]"
SAMPLE_TWICE = (
    f"{NUMERICS}/test_symmetries.py::test_each_sample_twice_with_twice_the_noise_is_the_same_information[erf]"
)
DEAD_PIXELS = f"{NUMERICS}/test_symmetries.py::test_dead_pixels_only_change_the_fan_in[erf]"
INPUT_UNITS = f"{NUMERICS}/test_symmetries.py::test_units_of_the_inputs_go_into_the_weights"
TARGET_UNITS = f"{NUMERICS}/test_symmetries.py::test_units_of_the_targets_go_into_the_readout_and_the_noise"
ORDER = f"{NUMERICS}/test_path.py::test_callback_sees_each_solution_large_widths_first[erf]"

CROSSING = "tests/test_cli.py::test_the_crossing_is_where_the_tangent_is_off_by_that_much"
QUADRATURE = "tests/analytic/test_expectations.py::test_kernel_against_quadrature[entries0-erf]"
KNOWN_SERIES = "tests/analytic/test_reduced_equation.py::test_series_of_a_known_function"
LINEAR_NETWORK = (
    "tests/analytic/test_reduced_equation.py::test_against_the_matrix_theory_of_a_linear_network[1000]"
)
RAYLEIGH = (
    "tests/analytic/test_reduced_equation.py::test_eigenvalue_is_the_rayleigh_quotient_of_a_large_patch"
)
SCALAR_GP = "tests/test_reduced.py::test_infinite_width_is_the_gaussian_process"
SCALAR_ROOTS = "tests/test_reduced.py::test_roots_over_six_decades_by_sign_change_and_exact_count[1000]"
SCALAR_RATIO = "tests/test_reduced.py::test_ratio_and_chi_over_six_decades"
SCALAR_SLOPE = "tests/test_reduced.py::test_first_order_is_the_slope_at_infinite_width"
SCALAR_BRANCH = "tests/test_reduced.py::test_branch_points_agree_with_continuation_in_the_complex_plane"


@dataclass(frozen=True)
class Mutation:
    """`old` occurs exactly once in `file` and becomes `new`; `witness` is the test that must fail."""

    what: str
    file: str
    old: str
    new: str
    witness: str

    @property
    def regenerates(self) -> bool:
        """Whether numerics/_generated must be written again; tests of `analytic` do not read it."""
        return self.file.startswith("analytic/") and not self.witness.startswith("tests/analytic/")


def _in(file: str, *mutations: tuple[str, str, str, str]) -> list[Mutation]:
    return [Mutation(what, file, old, new, witness) for what, old, new, witness in mutations]


MUTATIONS = [
    *_in(
        "numerics/fixed_point.py",
        (
            "1/C becomes 1/N",
            "Gamma = (inverse_width * field",
            "Gamma = (1 / field.X.shape[1] * field",
            ORACLE,
        ),
        ("KL loses 1/2", "/ (2 * inverse_width)", "/ inverse_width", GRADIENT),
        (
            "sign of log det in KL",
            "np.expm1(exponents) - exponents",
            "np.expm1(exponents) + exponents",
            GRADIENT,
        ),
        ("sign of T in the gradient", "root @ (identity - Gamma)", "root @ (identity + Gamma)", GRADIENT),
        (
            "sign of T in the residual",
            "np.abs(R @ (identity - Gamma)",
            "np.abs(R @ (identity + Gamma)",
            RESIDUAL,
        ),
        ("R for its square root", "np.exp(exponents / 2)", "np.exp(exponents)", GRADIENT),
    ),
    *_in(
        "numerics/problem.py",
        (
            "weights without their fan-in",
            "net.weight_variance / X.shape[2]",
            "net.weight_variance / 1",
            DEAD_PIXELS,
        ),
        (
            "sigma_w for sigma_w^2",
            "net.weight_variance / X.shape[2]",
            "net.weight_variance**0.5 / X.shape[2]",
            INPUT_UNITS,
        ),
        (
            "load per pixel instead of per patch",
            "self.net.width * self.field.X.shape[1]",
            "self.net.width * self.field.X.shape[2]",
            PATCH_TWICE,
        ),
    ),
    *_in(
        "numerics/data_terms.py",
        (
            "sigma for sigma^2 in K_f",
            "Q[np.diag_indices(n)] += noise_variance",
            "Q[np.diag_indices(n)] += noise_variance**0.5",
            ONE_PIXEL,
        ),
        ("sign of K_f^{-1} in A", "A -= self._matrix.T", "A += self._matrix.T", PULL),
        ("A without K_f^{-1}", "A -= self._matrix.T", "A -= 0 * self._matrix.T", ONE_PIXEL),
        ("twice the fit", "fit=0.5 * float(y @ eps)", "fit=1.0 * float(y @ eps)", EVIDENCE),
        ("twice the complexity", "complexity=0.5 * log_det", "complexity=log_det", PULL),
        (
            "sign in the degrees of freedom",
            "n - noise_variance * trace",
            "n + noise_variance * trace",
            SAMPLE_TWICE,
        ),
        ("sign of d eps", "deps = -dsymv(1.0", "deps = -dsymv(-1.0", HESSIAN),
        ("sign of d K_f^{-1}", "dA = dsymm(1.0", "dA = dsymm(-1.0", HESSIAN),
    ),
    *_in(
        "numerics/kernel_maps.py",
        (
            "readout without its fan-in",
            "readout_variance / self.patch_count",
            "readout_variance / 1",
            PATCH_TWICE,
        ),
        ("mirror images counted once", "2 * self.scale, out=out", "self.scale, out=out", ADJOINT),
        ("diagonal counted twice", "np.tril(block, -1)", "np.tril(block, 0)", PULL),
        ("variances' derivative dropped", "W += diagonal[:, :, None]", "W += 0 * diagonal[:, :, None]", PULL),
        ("panels overlap", "low, high, edges[-1] if edges", "low, high, edges[0] if edges", ADJOINT),
        (
            "variances do not move",
            'dY, np.einsum("ims,ims->im", dY',
            'dY, 0 * np.einsum("ims,ims->im", dY',
            HESSIAN,
        ),
        (
            "prior variance without sigma_a^2/N",
            "return self.scale * total[:, 0]",
            "return total[:, 0]",
            NEXT_DATUM,
        ),
    ),
    *_in(
        "numerics/perturbation.py",
        (
            "power of the prior variance in d Sigma",
            "field.prior_variance**2",
            "field.prior_variance**1",
            TANGENT,
        ),
        ("sign of d alpha", "alpha_slope=-float", "alpha_slope=float", TANGENT),
        ("d alpha not per y.y", "along_eps * slope)) / y2", "along_eps * slope))", TANGENT),
    ),
    *_in(
        "numerics/solution.py",
        ("alpha per sample", "self.eps @ y / (y @ y)", "self.eps @ y / len(y)", TARGET_UNITS),
        ("sign of eps in f_bar", ".y - self.", ".y + self.", FITTED),
        ("chi_response with y for f_bar", "self.eps @ self.f_bar", "self.eps @ self.problem.field.y", FIELDS),
        ("chi_paper summed over patches", "(self.chi_width * len(overlaps))", "self.chi_width", PATCH_TWICE),
        ("chi_paper linear in eps", "(overlaps**2)", "abs(overlaps)", FIELDS),
        ("chi of the process at infinite width", "chi_width=self.chi_width", "chi_width=math.inf", GP_FIELDS),
        ("variance grows by what is learned", "X) - np.einsum", "X) + np.einsum", NEXT_DATUM),
        ("covariance grows by what is learned", "X, X) - reduced.T", "X, X) + reduced.T", COVARIANCE),
        (
            "sigma for sigma^2 of an observation",
            "noise = field.noise_variance if",
            "noise = field.noise_variance**0.5 if",
            NEXT_DATUM,
        ),
        ("variance without training noise", "] += field.noise_variance", "] += 1e-6", NEXT_DATUM),
        ("sign of the mean", "mean = cross @", "mean = -cross @", NEXT_DATUM),
    ),
    *_in(
        "numerics/solver.py",
        ("narrow widths first", "-targets[i]", "targets[i]", ORDER),
        (
            "units of the start",
            "/ (2 * bound.field.prior_variance)",
            "/ (1 * bound.field.prior_variance)",
            RESIDUAL,
        ),
    ),
    *_in(
        "numerics/compare.py",
        (
            "relative to the tangent, not to alpha",
            "/ alpha - threshold",
            "/ tangent.alpha(width) - threshold",
            CROSSING,
        ),
    ),
    *_in(
        "analytic/templates/tile_loops.py",
        ("sign of dG/dK11", "total += weight * d11", "total -= weight * d11", PULL),
        ("dG/dK12 for dG/dK22", "col[b] += weight * d22", "col[b] += weight * d12", PULL),
        ("dG along dK22", "d11 * dv1 + d22 * dv_col[b]", "d11 * dv1 - d22 * dv_col[b]", HESSIAN),
        (
            "second derivative in (K11, K22)",
            "d11_11 * dv1 + d11_22 * dv2",
            "d11_11 * dv1 - d11_22 * dv2",
            HESSIAN,
        ),
    ),
    *_in(
        "analytic/expectations.py",
        ("density of a Gaussian", "sqrt(2 * pi * variance)", "sqrt(pi * variance)", QUADRATURE),
        ("Jacobian of u", "u / (D1 * D2)) / (D1 * D2))", "u / (D1 * D2)) * (D1 * D2))", QUADRATURE),
        ("dG/dK11 twice", "(result, D1) * self", "(result, D1) * 2 * self", PULL),
    ),
    *_in(
        "analytic/kernel_modules.py",
        ("1 - u for 1 + u", "Mul(1 - u, 1 + u", "Mul(1 - u, 1 - u", PULL),
    ),
    *_in(
        "analytic/free_energy.py",
        ("KL loses 1/2 (reduced)", "log(ratio)) / 2", "log(ratio))", LINEAR_NETWORK),
        ("sign of log in KL (reduced)", "ratio - 1 - log(ratio)", "ratio - 1 + log(ratio)", LINEAR_NETWORK),
        ("twice the fit (reduced)", "Integer(2)", "Integer(1)", LINEAR_NETWORK),
        ("sign of kappa in the fit", "(lam_star + kappa) /", "(lam_star - kappa) /", LINEAR_NETWORK),
        ("prior without its fan-in", "sigma_w2 / S", "sigma_w2", RAYLEIGH),
        ("readout not averaged over patches", "sigma_a2 / N", "sigma_a2", SCALAR_GP),
    ),
    *_in(
        "analytic/closures/equivalent_kernel.py",
        ("ridge not per sample", "ridge=sigma2 / n", "ridge=sigma2", LINEAR_NETWORK),
    ),
    *_in(
        "analytic/series.py",
        ("a wrong order in the series", "-defect / slope", "defect / slope", KNOWN_SERIES),
    ),
    *_in(
        "analytic/reduced_module.py",
        (
            "slope at the process not in units of alpha",
            "slope_in_1_C = _ALPHA_GP * t_of",
            "slope_in_1_C = t_of",
            SCALAR_SLOPE,
        ),
    ),
    *_in(
        "analytic/templates/reduced_loops.py",
        ("wrong side of the bracket", "low = a if P > 0.0", "low = a if P < 0.0", SCALAR_ROOTS),
        ("upper end of the bracket", "min(1.0, 1.0 / sqrt(t))", "min(1.0, 0.5 / sqrt(t))", SCALAR_ROOTS),
        ("chi linear in alpha", "chi[i] = t * a * a", "chi[i] = t * a", SCALAR_RATIO),
        ("l_* without mu", "gap / (mu * a)", "gap / a", SCALAR_RATIO),
        ("the other branch point", "-(c1 + size)", "-(c1 - size)", SCALAR_BRANCH),
    ),
]
