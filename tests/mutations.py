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
SECANTS = f"{NUMERICS}/test_secants.py::test"
OTHER_WIDTH = "_secants_are_those_of_the_other_width[3.0]"
LINEAR_SECANTS = f"{SECANTS}_as_many_secants_as_unknowns_solve_linear_equations"
TRIANGLE = f"{NUMERICS}/test_dense.py::test_eigenvectors_of_the_lower_triangle[C]"
METRIC = f"{NUMERICS}/test_metric.py::test_inner_products_are_those_of_the_metric"
PATCH_TWICE = f"{NUMERICS}/test_symmetries.py::test_each_patch_twice_changes_the_load_alone[erf]"
SAMPLE_TWICE = (
    f"{NUMERICS}/test_symmetries.py::test_each_sample_twice_with_twice_the_noise_is_the_same_information[erf]"
)
DEAD_PIXELS = f"{NUMERICS}/test_symmetries.py::test_dead_pixels_only_change_the_fan_in[erf]"
INPUT_UNITS = f"{NUMERICS}/test_symmetries.py::test_units_of_the_inputs_go_into_the_weights"
TARGET_UNITS = f"{NUMERICS}/test_symmetries.py::test_units_of_the_targets_go_into_the_readout_and_the_noise"
ORDER = f"{NUMERICS}/test_path.py::test_callback_sees_each_solution_large_widths_first[erf]"

DEEP = f"{NUMERICS}/test_deep.py"
DEEP_GRADIENT = f"{DEEP}::test_gradient_of_the_free_energy_by_differences_of_order_two[three dense layers]"
DEEP_TANGENT = f"{DEEP}::test_first_order_is_the_limit_of_differences[three dense layers]"
LINEAR_LINEAR_JOINT = f"{DEEP}::test_test_points_are_training_points_of_infinite_noise[linear units]"
JOINT = f"{DEEP}::test_test_points_are_training_points_of_infinite_noise[linear units]"
JOINT = f"{DEEP}::test_test_points_are_training_points_of_infinite_noise[three dense layers]"
LINEAR_JOINT = f"{DEEP}::test_test_points_are_training_points_of_infinite_noise[linear units]"
RECURSION = f"{DEEP}::test_infinite_width_is_the_kernel_recursion[two convolutions]"
WINDOW = f"{DEEP}::test_window_of_equation_14_is_over_neighbours"
POOLED = f"{DEEP}::test_infinite_width_is_the_kernel_recursion[global pooling]"
PADDED = f"{DEEP}::test_infinite_width_is_the_kernel_recursion[overlap and padding]"
BIASES = f"{DEEP}::test_infinite_width_is_the_kernel_recursion[four dense layers with biases]"

SURFACE = f"{NUMERICS}/test_surface.py"
KERNELS_AT = f"{SURFACE}::test_kernels_at_test_inputs_are_those_of_a_joint_solve[three dense layers]"
DRAWS = f"{SURFACE}::test_draws_have_the_law_that_predict_gives"
LOAD = f"{SURFACE}::test_the_input_layer_learned_the_teacher_s_direction"

COST = f"{NUMERICS}/test_cost.py"
COST_SIZES = f"{COST}::test_sizes_are_those_of_the_chain"
COST_SECANTS = f"{COST}::test_memory_is_that_of_the_arrays_alive_at_once[many secants]"
_SECONDS = f"{COST}::test_seconds_are_those_of_a_quick_gradient_times_the_ratio_of_the_work"
COST_SECONDS = f"{_SECONDS}[net1-shape1-mean_field]"
COST_SECONDS_DEEP = f"{_SECONDS}[net3-shape3-mean_field]"

SCRATCH = f"{NUMERICS}/test_scratch.py::test_the_same_memory_is_taken_again"

CORRELATION = f"{NUMERICS}/test_pixel_correlation.py"
RANDOM_READOUTS = f"{CORRELATION}::test_random_readouts_have_the_mean_inverse_that_matrices_give[0.8--0.056]"
SAME_LOAD = f"{CORRELATION}::test_part_of_the_data_is_judged_at_the_same_load"
SPAN = f"{NUMERICS}/test_input_space.py"
INPUT_SPACE = f"{SPAN}::test_it_is_the_solution_for_all_weights[four dense layers with biases, erf]"
OTHER_SPAN = f"{SPAN}::test_a_start_of_other_data_counts_where_the_spans_meet"
KEPT_BASIS = f"{SPAN}::test_saved_and_loaded[three dense layers]"
OFF_THE_SPAN = f"{SPAN}::test_test_inputs_may_leave_the_span[three dense layers, relu]"
COMMAND_SOLVE = "tests/test_command_solve.py"
OTHER_PROBLEM = f"{COMMAND_SOLVE}::test_solutions_of_another_problem_are_not_taken_and_not_lost"
LOOSE = f"{COMMAND_SOLVE}::test_a_smaller_tolerance_is_solved_again"
TEST_ERROR = f"{COMMAND_SOLVE}::test_errors_are_over_the_targets_mean_square"

MEANS = f"{NUMERICS}/test_means.py"
MEAN_GRADIENT = f"{MEANS}::test_gradient_of_the_free_energy_by_differences_of_order_two[three dense layers]"
MEAN_JOINT = f"{MEANS}::test_test_points_are_training_points_of_infinite_noise[three dense layers]"
MEAN_TANGENT = f"{MEANS}::test_first_order_is_the_limit_of_differences[three dense layers]"
MEAN_RESIDUAL = f"{MEANS}::test_residual_is_that_of_the_worst_mean"
MEAN_ENERGY = f"{MEANS}::test_free_energy_is_that_of_the_definition"
MEAN_KERNELS = f"{NUMERICS}/test_mean_kernels.py"
MEAN_TANGENTS = f"{MEAN_KERNELS}::test_adjoint_and_tangents_by_differences_of_order_two[hidden-dense-relu]"
POOLED_TANGENTS = MEAN_TANGENTS.replace("[hidden-dense-relu]", "[input-pooled-relu]")
ITSELF = f"{MEAN_KERNELS}::test_one_unit_with_itself"
SERIES = f"{NUMERICS}/test_quadrature.py"
SERIES_PAIR = f"{SERIES}::test_expectations_against_adaptive_quadrature[negative-gelu]"
SERIES_ITSELF = f"{SERIES}::test_a_unit_with_itself_at_large_variance[tanh]"
FAR_OUT = f"{MEAN_KERNELS}::test_means_far_out_are_lines_or_nothing"
RELU_HEAT = "tests/analytic/test_relu.py::test_derivatives_in_the_covariance_are_moments"

FAN_IN = f"{NUMERICS}/test_fan_in.py"
SADDLE = f"{FAN_IN}::test_psi_is_a_saddle_in_p_and_q[20.0]"
FAN_IN_TANGENT = f"{FAN_IN}::test_change_of_the_pull_by_differences_of_order_two[20.0]"
FAN_IN_PULL = f"{FAN_IN}::test_pull_on_the_kernel_by_differences_of_order_two[20.0]"

PRODUCT = f"{NUMERICS}/test_hessian.py::test_product_by_differences_of_the_gradient_of_order_two"
ONE_STEP = f"{NUMERICS}/test_newton.py::test_one_step_squares_the_distance[erf]"
CG = f"{NUMERICS}/test_newton.py::test_conjugate_gradients_minimise_the_model_inside_and_stop_at_the_edge"
BUDGET = f"{NUMERICS}/test_newton.py::test_the_budget_holds_and_a_failure_keeps_its_best_state"
LEAST = f"{NUMERICS}/test_stability.py::test_iteration_finds_the_least_eigenvalue_of_the_dense_matrix"
LEAST = f"{LEAST}[two convolutions]"
VALLEYS = (
    f"{NUMERICS}/test_stability.py"
    "::test_several_starts_find_a_lower_minimum_than_the_branch_that_joins_the_process"
)
PASS = f"{NUMERICS}/test_stability.py::test_between_two_minima_lies_a_pass_with_one_direction_down"
SMALL_RANK = f"{DEEP}::test_kernel_of_small_numerical_rank_is_solved_to_the_default_tolerance[10]"
MEAN_PRODUCT = f"{PRODUCT}[three dense layers, ReLU]"
PRODUCT = f"{PRODUCT}[three dense layers]"

CROSSING = "tests/test_cli.py::test_the_crossing_is_where_the_tangent_is_off_by_that_much"
QUADRATURE = "tests/analytic/test_expectations.py::test_kernel_against_quadrature[entries0-erf]"
PROVED = "tests/analytic/test_proof.py::test_what_is_given_is_proved[sin]"
FORWARD = f"{NUMERICS}/test_activations.py::test_forward_map_and_slope[sin]"
ODD_SINE = f"{NUMERICS}/test_kernel_maps.py::test_value_is_the_readout_kernel[sin-tiny panels]"
SINE = f"{NUMERICS}/test_activations.py::test_the_kernel_is_that_of_the_forward_map[sin]"
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
LEFT_OUT = "tests/test_closures.py::test_what_the_warning_says_is_left_out_bounds_the_distance_to_the_ridge"
RIDGE_ROOTS = "tests/test_closures.py::test_polynomial_and_generated_kernel_agree[ridge-True]"
FOLD = "tests/test_closures.py::test_the_two_layers_agree_on_where_one_over_n_ends"
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
        "numerics/network.py",
        ("1/N is not 1/width", "else 1.0 / width for", "else 2.0 / width for", ORACLE),
    ),
    *_in(
        "numerics/free_energy/state.py",
        ("KL times 1/N", "layer.KL / x if", "layer.KL * x if", GRADIENT),
    ),
    *_in(
        "numerics/free_energy/chain.py",
        ("KL loses 1/2", "np.expm1(t) - t)) / 2", "np.expm1(t) - t))", GRADIENT),
        ("sign of log det in KL", "np.expm1(t) - t", "np.expm1(t) + t", GRADIENT),
        ("R for its square root", "for power in (1.0, 0.5, -0.5)", "for power in (1.0, 1.0, -0.5)", GRADIENT),
        ("sign of T in Eq. (8)", "identity - x * (std", "identity + x * (std", RESIDUAL),
        ("T in the wrong units", "(std[:, None] * T * std)", "(std[:, None] * T)", GRADIENT),
        ("sign of g in a hidden layer", "E *= -x", "E *= x", DEEP_GRADIENT),
        ("g K g dropped from dKL/dQ", "message *= x", "message *= 0 * x", DEEP_GRADIENT),
        ("gradient inexact off the solution", "message += L.pull_back(", "L.pull_back(", DEEP_GRADIENT),
        ("upper for lower in the Cholesky gauge", "(mirror(Z))", "(mirror(Z.T.copy()))", DEEP_GRADIENT),
        ("1/N_1 in every layer", "inverse_widths[level]", "inverse_widths[0]", DEEP_GRADIENT),
    ),
    *_in(
        "numerics/solutions/archive.py",
        ("basis of a file made again", 'arrays.get("basis")', '"span"', KEPT_BASIS),
    ),
    *_in(
        "numerics/free_energy/input_space.py",
        ("prior across the data twice", "+= self.prior_variance", "+= 2 * self.prior_variance", INPUT_SPACE),
        (
            "prior within the span kept too",
            "self.spread(seen - np.diag(self.span_variance))",
            "self.spread(seen)",
            INPUT_SPACE,
        ),
        ("start counts across the span", "np.eye(len(turned)) + _cong", "_cong", OTHER_SPAN),
        (
            "the bias's coordinate twice as long",
            "np.eye(biases)",
            "2 * np.eye(biases)",
            INPUT_SPACE,
        ),
    ),
    *_in(
        "numerics/free_energy/hessian.py",
        (
            "response of the pulls doubled",
            "block *= -x",
            "block *= -2 * x",
            PRODUCT,
        ),
        ("curvature of the geodesic dropped", "block += product(E, H)", "block += 0", PRODUCT),
        ("factor's change dropped from K's", "outer(half + half.T + dM)", "outer(dM)", PRODUCT),
        ("factor's change dropped from B's", "L.inner(dT) + BPhi + BPhi.T", "L.inner(dT)", PRODUCT),
        ("inverse factor's change dropped", "mirror(dJ) - ZPhi - ZPhi.T", "mirror(dJ)", PRODUCT),
        ("mean does not move with the factor", "split @ layer.mean.mu + w", "w + 0 * split[0]", MEAN_PRODUCT),
        (
            "s does not move with the factor",
            "L.transposed(dt) + Phi.T @ self.s",
            "L.transposed(dt)",
            MEAN_PRODUCT,
        ),
        ("slope for its half in the means", "dt = slope / 2", "dt = slope", MEAN_PRODUCT),
        ("means' part of the message", "half += np.multiply.outer(dt, self.t)", "half += 0", MEAN_PRODUCT),
        ("T dK T dropped", "+ product(product(self.T, move.dK), self.T)", "", PRODUCT),
    ),
    *_in(
        "numerics/solutions/stability.py",
        ("largest for smallest eigenvalue", 'which="SA"', 'which="LA"', LEAST),
        ("second eigenvalue", "hessian.dense())[0]", "hessian.dense())[1]", PASS),
    ),
    *_in(
        "numerics/solutions/branches.py",
        ("highest free energy first", "key=lambda branch: branch", "key=lambda branch: -branch", VALLEYS),
        ("everything is one branch", "SAME = 1e-4", "SAME = 1e4", VALLEYS),
    ),
    *_in(
        "numerics/solving/secants.py",
        ("recycled as at the old width", "G *= factor", "G *= 1.0", f"{SECANTS}_recycled{OTHER_WIDTH}"),
        (
            "E for its change when recycled",
            "(1.0 - factor) * G",
            "factor * G",
            f"{SECANTS}_recycled{OTHER_WIDTH}",
        ),
        ("away from the combination", "a=-weight", "a=weight", LINEAR_SECANTS),
        ("weights of scaled secants", "/ values[kept]) / scale", "/ values[kept])", LINEAR_SECANTS),
    ),
    *_in(
        "numerics/machine/dense.py",
        ("sum for the symmetric part", "block /= 2", "block /= 1", DEEP_GRADIENT),
        ("the other Gram matrix", "trans=1 - turned", "trans=turned", DEEP_GRADIENT),
        ("the other triangle", "lower=turned", "lower=1 - turned", TRIANGLE),
    ),
    *_in(
        "numerics/free_energy/metric.py",
        ("off-diagonal entries once", "_scale_off_diagonal(part, ROOT2)", "part *= 1", METRIC),
    ),
    *_in(
        "numerics/solving/newton.py",
        ("half a geodesic", "np.exp(h / 2)", "np.exp(h / 4)", ONE_STEP),
        ("steepest descent for conjugate gradients", "(float(residual @ residual) / r2) * d", "0 * d", CG),
        ("the other end of the trusted region", "(-b + np.sqrt(", "(-b - np.sqrt(", CG),
        ("products are free", "gradients += PRODUCT * step.products", "gradients += 1", BUDGET),
    ),
    *_in(
        "numerics/free_energy/chain.py",
        (
            "slope of a mean twice",
            "MeanPull.of(layer.mean, slope / 2",
            "MeanPull.of(layer.mean, slope",
            MEAN_GRADIENT,
        ),
        (
            "v v^T dropped from dKL/dQ",
            "message += x * np.multiply",
            "message += 0 * np.multiply",
            MEAN_GRADIENT,
        ),
        (
            "means' part of the Cholesky gauge",
            "outer(mean.s, mean.e)",
            "outer(mean.e, mean.s)",
            MEAN_GRADIENT,
        ),
    ),
    *_in(
        "numerics/free_energy/means.py",
        ("a mean's KL twice", "float(self.mu @ self.mu) / 2", "float(self.mu @ self.mu)", MEAN_ENERGY),
        ("sign of v", "mean.mu - x * s", "mean.mu + x * s", MEAN_GRADIENT),
        ("residual of a mean without 1/N", "off = mean.m - x *", "off = mean.m - 1 *", MEAN_RESIDUAL),
    ),
    *_in(
        "numerics/free_energy/factors.py",
        ("small eigenvalues first", "vectors[:, kept][:, ::-1]", "vectors[:, kept]", SMALL_RANK),
        ("congruence by L^T", "M, transposed=True)", "M, transposed=False)", PRODUCT),
        ("whole diagonal of W", "Phi[np.diag_indices(len(Phi))] /= 2", "Phi += 0", PRODUCT),
        (
            "range of Q too small",
            "values > RANK_TOLERANCE",
            "values > 0.5 * values[-1] + RANK_TOLERANCE",
            LINEAR_JOINT,
        ),
    ),
    *_in(
        "numerics/pixels.py",
        ("mean over the window lost", "len(pool_k) * self.fan_in)", "len(pool_k))", RECURSION),
        ("pooling is a sum", "1.0 / (len(pool_j) * ", "1.0 / (", POOLED),
        ("padding seen", "slot_j < 0 or slot_k < 0", "slot_j < -1", PADDED),
        (
            "window runs the other way",
            "np.arange(pixels).reshape(-1, window)",
            "np.arange(pixels).reshape(window, -1).T",
            WINDOW,
        ),
    ),
    *_in(
        "numerics/kernels/preactivations.py",
        (
            "variances' derivative dropped",
            "np.multiply(flat_diagonal[",
            "np.multiply(0 * flat_diagonal[",
            PULL,
        ),
        (
            "hidden variances' derivative dropped",
            "] += diagonal.ravel()",
            "] += 0 * diagonal.ravel()",
            DEEP_GRADIENT,
        ),
    ),
    *_in(
        "numerics/free_energy/problem.py",
        (
            "weights without their fan-in",
            "net.weight_variances[0] / size",
            "net.weight_variances[0] / 1",
            DEAD_PIXELS,
        ),
        (
            "sigma_w for sigma_w^2",
            "net.weight_variances[0] / size",
            "net.weight_variances[0]**0.5 / size",
            INPUT_UNITS,
        ),
        (
            "bias of the first layer is one of all weights",
            "np.append(prior, self.net.bias_variance)",
            "np.append(prior, prior[0])",
            BIASES,
        ),
        (
            "load per channel alone",
            "self.net.width * self.field.chain.maps[-1].receptive.fan_in",
            "self.net.width",
            PATCH_TWICE,
        ),
    ),
    *_in(
        "numerics/free_energy/data_terms.py",
        (
            "sigma for sigma^2 in K_f",
            "Q[np.diag_indices(n)] += noise_variance",
            "Q[np.diag_indices(n)] += noise_variance**0.5",
            ONE_PIXEL,
        ),
        (
            "K_f^{-1} dQ for K_f^{-1} dQ K_f^{-1}",
            "dA = symmetric_product(left, mirrored(self._matrix.T))",
            "dA = left.copy()",
            HESSIAN,
        ),
        ("sign of K_f^{-1} in A", "weight = -self.fluctuation", "weight = self.fluctuation", PULL),
        ("A without K_f^{-1}", "weight = -self.fluctuation", "weight = -0.0 * self.fluctuation", ONE_PIXEL),
        (
            "one K_f^{-1} for several outputs",
            "self.fluctuation * self.eps.shape[1]",
            "self.fluctuation * 1",
            DEEP_GRADIENT,
        ),
        ("twice the fit", "fit=0.5 * float(np.sum(y * eps))", "fit=1.0 * float(np.sum(y * eps))", EVIDENCE),
        ("twice the complexity", "complexity=0.5 * outputs", "complexity=outputs", PULL),
        (
            "sign in the degrees of freedom",
            "n - float(noise_variance @",
            "n + float(noise_variance @",
            SAMPLE_TWICE,
        ),
        ("sign of d eps", "deps = -dsymm(1.0", "deps = -dsymm(-1.0", HESSIAN),
        ("sign of d K_f^{-1}", "left = dsymm(float(", "left = dsymm(-float(", HESSIAN),
    ),
    *_in(
        "numerics/free_energy/fan_in.py",
        ("half the fan-in's part of Psi", "0.5 * self.P * (q", "0.25 * self.P * (q", SADDLE),
        (
            "response to p instead of q",
            "self.noise + q * self.values))) / self.P",
            "self.noise + self.values))) / self.P",
            SADDLE,
        ),
        ("dp without sigma^2", "/ P * noise * float(", "/ P * float(", FAN_IN_TANGENT),
        ("dq without its response to dp", "q_fixed + q_slope * p_fixed", "q_fixed", FAN_IN_TANGENT),
        ("second moment linear in p", "return p + p * p * energy", "return p + p * energy", SADDLE),
        (
            "fluctuations with kernel p Q",
            "np.sqrt(noise_variance + q * values)",
            "np.sqrt(noise_variance + p * values)",
            FAN_IN_PULL,
        ),
        (
            "discrepancy with kernel q Q",
            "(projected / (noise_variance + p *",
            "(projected / (noise_variance + q *",
            FAN_IN_PULL,
        ),
    ),
    *_in(
        "numerics/kernels/kernel_maps.py",
        ("mirror images counted once", "2 * scale, out=out", "scale, out=out", ADJOINT),
        ("diagonal counted twice", "np.tril(corner, -1)", "np.tril(corner, 0)", PULL),
        (
            "diagonal blocks weighed as mirrored",
            "if panel.on_diagonal:",
            "if not panel.on_diagonal:",
            ADJOINT,
        ),
        (
            "value without sigma_a^2",
            "group.weight\n                    total += part\n                panel.of(Q,",
            "group.weight / self.variance\n                    total += part\n                panel.of(Q,",
            ORACLE,
        ),
        (
            "biases of the units above dropped",
            "total.fill(self.bias_variance)",
            "total.fill(0 * self.bias_variance)",
            BIASES,
        ),
    ),
    *_in(
        "numerics/free_energy/perturbation.py",
        (
            "slope not per prior variance",
            "(std[:, None] * T[0] * std, *hidden)",
            "(std[:, None] * T[0], *hidden)",
            TANGENT,
        ),
        ("sign of d alpha", "alpha_slope=-response", "alpha_slope=response", TANGENT),
        ("d alpha not per y.y", "-response / field.target_norm2", "-response", TANGENT),
        ("off-diagonal responses once", "off_diagonal = 2.0 *", "off_diagonal = 1.0 *", TANGENT),
        ("K_2 moves with Q_2 alone", "mirrored(dQ) + root", "mirrored(dQ) + 0 * root", DEEP_TANGENT),
        (
            "hidden means stay at first order",
            "else root.times(means",
            "else 0 * root.times(means",
            MEAN_TANGENT,
        ),
    ),
    *_in(
        "numerics/solutions/solution.py",
        ("alpha per sample", "field.y)) / field.target_norm2", "field.y)) / len(field.y)", TARGET_UNITS),
        ("sign of eps in f_bar", "field.y - field.noise", "field.y + field.noise", FITTED),
        (
            "chi_response with y for f_bar",
            "self.scaled_discrepancy * self._mean_output",
            "self.scaled_discrepancy * self.problem.field.y",
            FIELDS,
        ),
        ("chi_paper summed over patches", "/ (self.chi_width * pixels)", "/ self.chi_width", PATCH_TWICE),
        ("chi_paper linear in eps", "* overlaps**2)", "* abs(overlaps))", FIELDS),
        ("chi of the process at infinite width", "chi_width=self.chi_width", "chi_width=math.inf", GP_FIELDS),
        (
            "sigma for sigma^2 of an observation",
            "return float(noise[0])",
            "return float(noise[0])**0.5",
            NEXT_DATUM,
        ),
    ),
    *_in(
        "numerics/solutions/prediction.py",
        ("covariance grows by what is learned", "own - reduced.T", "own + reduced.T", COVARIANCE),
        ("variance without training noise", "] += self.chain.noise_variance[heard]", "] += 1e-6", NEXT_DATUM),
        ("test variance of the span alone", "replace(cross, v_row=v)", "cross", OFF_THE_SPAN),
        ("sign of the mean", "[0]) @ self.weights for", "[0]) @ -self.weights for", JOINT),
        (
            "test points see the prior's hidden kernel",
            "K_cross = Q_cross + response",
            "K_cross = Q_cross + 0 * response",
            JOINT,
        ),
        (
            "hidden variance of test points",
            "+ response @ K_train @ response.T",
            "- response @ K_train @ response.T",
            KERNELS_AT,
        ),
        ("draws without noise", "np.maximum(values, 0.0) + noise", "np.maximum(values, 0.0)", DRAWS),
        ("draws of the variance's size", "(U * np.sqrt(np.", "(U * (np.", DRAWS),
    ),
    *_in(
        "numerics/costs/footprint.py",
        ("triangles for squares", "(0.5 if j == k else 1.0)", "1.0", COST_SIZES),
        ("secants once", "1.2 * kept", "0.6 * kept", COST_SECANTS),
    ),
    *_in(
        "numerics/free_energy/pixel_correlation.py",
        ("one pixel's weights for all", "len(blocks) * width)", "width)", RANDOM_READOUTS),
        ("T without the width", "/ (2 * width))", "/ 2)", RANDOM_READOUTS),
        ("part of the data at full width", "bound.net.width * count / samples", "bound.net.width", SAME_LOAD),
    ),
    *_in(
        "numerics/solutions/archive.py",
        ("noise of another problem", "(a.noise_variance, b.noise_variance)", "(a.y, b.y)", OTHER_PROBLEM),
    ),
    *_in(
        "feature_eos/commands/results.py",
        ("loose solutions kept", "found.residual <= tol", "found.residual <= 1.0", LOOSE),
        ("error per sample", "/ np.mean(self.y**2)", "/ len(self.y)", TEST_ERROR),
    ),
    *_in(
        "numerics/costs/rates.py",
        ("hidden kernels' functions left out", "sizes.hidden_entries * functions", "0.0", COST_SECONDS_DEEP),
        ("n^2 for n^3", "sizes.samples**3\n", "sizes.samples**2\n", COST_SECONDS),
        (
            "ratio of the work upside down",
            "timed * multiplications(sizes",
            "timed / multiplications(sizes",
            COST_SECONDS,
        ),
    ),
    *_in(
        "numerics/solutions/feature_load.py",
        ("load with the other sign", "eigh(covariance - prior)", "eigh(prior - covariance)", LOAD),
        ("smallest change first", "np.argsort(-np.abs", "np.argsort(np.abs", LOAD),
    ),
    *_in(
        "numerics/solutions/prediction.py",
        (
            "test points without means",
            "else Q_cross @ self.v[level]",
            "else 0 * Q_cross @ self.v[level]",
            MEAN_JOINT,
        ),
    ),
    *_in(
        "analytic/templates/mean_tile_loops.py",
        (
            "dG/dm2 for dG/dm1",
            "row[1, a] += weight * M[1, b]",
            "row[1, a] += weight * M[2, b]",
            MEAN_TANGENTS,
        ),
        (
            "dG/dK11 without 1/2",
            "row[0, a] += 0.5 * weight * M[3",
            "row[0, a] += weight * M[3",
            MEAN_TANGENTS,
        ),
        (
            "d^3G/dm1^3 for d^3G/dm1^2 dm2",
            "d10 = M[7, b] * k + M[6, b]",
            "d10 = M[7, b] * k + M[7, b]",
            MEAN_TANGENTS,
        ),
    ),
    *_in(
        "analytic/templates/input_loops.py",
        (
            "first pixel's functions for both",
            "add_value(K, D_row[a, ..., top:bottom], D_col[b, ..., left:right], out)",
            "add_value(K, D_row[a, ..., top:bottom], D_col[a, ..., left:right], out)",
            POOLED_TANGENTS,
        ),
        (
            "first pixel's inputs for both",
            "there = X[b, left:right]\n        np.dot(Y[a, top:bottom], there.T, K)\n        adjoint(",
            "there = X[a, left:right]\n        np.dot(Y[a, top:bottom], there.T, K)\n        adjoint(",
            POOLED_TANGENTS,
        ),
        (
            "tangent along the kernel itself",
            "np.dot(dY[a, top:bottom], there, dK)",
            "np.dot(Y[a, top:bottom], there, dK)",
            HESSIAN,
        ),
    ),
    *_in(
        "numerics/machine/scratch.py",
        ("arrays too small", "size <= array.size <= 2 * size", "array.size <= 2 * size", SCRATCH),
    ),
    *_in(
        "analytic/templates/relu_steps.py",
        ("wedge of the wrong side", "sign * (0.25 - owen(y, x))", "sign * (0.25 + owen(y, x))", MEAN_ENERGY),
        (
            "opposite signs not excluded",
            "total = 0.5 * (cdf_a + cdf_b) - opposite",
            "total = 0.5 * (cdf_a + cdf_b)",
            FAR_OUT,
        ),
        ("rounding for a correlation", "apart = rest > COINCIDENT", "apart = rest > 0.0", ITSELF),
    ),
    *_in(
        "analytic/templates/series_moments.py",
        (
            "Mehler in rho^2",
            "rho[b] * rho[b] if odd else rho[b]",
            "rho[b] * rho[b] if odd else rho[b]**2",
            SERIES_PAIR,
        ),
        ("phi'' without the root of k", "sqrt(k + 1.0) * out[i - 1", "(k + 1.0) * out[i - 1", SERIES_PAIR),
        ("odd terms of odd functions dropped", "(i + 1) % 2 if odd", "i % 2 if odd", SERIES_ITSELF),
    ),
    *_in(
        "numerics/hermite.py",
        ("polynomials not normalised", "/ np.sqrt(k + 1)", "/ np.sqrt(k)", SERIES_PAIR),
        ("too few terms", "TAIL = 1e-13", "TAIL = 1e-5", SERIES_ITSELF),
    ),
    *_in(
        "analytic/expectations/relu.py",
        (
            "slope of A1 without J",
            "-(m1 * A1 + K12 * J) / K11, J",
            "-(m1 * A1) / K11, J",
            f"{RELU_HEAT}[entry0-1-1-(1, 0)]",
        ),
        (
            "Stein without K12",
            "+ K12 * (other + stein",
            "+ 0 * (other + stein",
            f"{RELU_HEAT}[entry0-1-1-(0, 0)]",
        ),
    ),
    *_in(
        "numerics/solver.py",
        (
            "narrow widths first",
            "targets[i].inverse_widths)",
            "[-x for x in targets[i].inverse_widths])",
            ORDER,
        ),
    ),
    *_in(
        "numerics/solutions/starts.py",
        ("units of the start", "np.multiply.outer(std, std)", "std", RESIDUAL),
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
        "analytic/expectations/kernels.py",
        ("density of a Gaussian", "sqrt(2 * pi * variance)", "sqrt(pi * variance)", QUADRATURE),
        ("Jacobian of u", "u / (D1 * D2)) / (D1 * D2))", "u / (D1 * D2)) * (D1 * D2))", QUADRATURE),
        ("dG/dK11 twice", "(result, D1) * self", "(result, D1) * 2 * self", PULL),
    ),
    *_in(
        "analytic/expectations/activations.py",
        ("half the sine's kernel", "/ 2) * sinh(K12)", "/ 2) * sinh(K12) / 2", PROVED),
    ),
    *_in(
        "analytic/expectations/proof.py",
        ("dG/dK11 without 1/2 (proof)", "((2, 0), K11, 2)", "((2, 0), K11, 1)", PROVED),
        ("a correlation without its square", "c22 - c12**2 / c11", "c22 - c12 / c11", PROVED),
    ),
    *_in(
        "analytic/generator/primitives.py",
        ("sinh without 1/2", "s = -0.5 * exp(a + y)", "s = -exp(a + y)", SINE),
        ("an odd function made even", "return -s if x < 0.0 else s", "return s", ODD_SINE),
    ),
    *_in(
        "analytic/generator/forward.py",
        ("phi for its slope", "[phi, diff(phi, h)]", "[phi, phi]", FORWARD),
    ),
    *_in(
        "analytic/generator/kernels.py",
        ("1 - u for 1 + u", "Mul(1 - u, 1 + u", "Mul(1 - u, 1 - u", PULL),
    ),
    *_in(
        "analytic/scalar/free_energy.py",
        ("KL loses 1/2 (reduced)", "log(ratio)) / 2", "log(ratio))", LINEAR_NETWORK),
        ("sign of log in KL (reduced)", "ratio - 1 - log(ratio)", "ratio - 1 + log(ratio)", LINEAR_NETWORK),
        ("twice the fit (reduced)", "Integer(2)", "Integer(1)", LINEAR_NETWORK),
        ("sign of kappa in the fit", "(lam_star + kappa) /", "(lam_star - kappa) /", LINEAR_NETWORK),
        ("prior without its fan-in", "sigma_w2 / S", "sigma_w2", RAYLEIGH),
        ("readout not averaged over patches", "sigma_a2 / N", "sigma_a2", SCALAR_GP),
    ),
    *_in(
        "analytic/scalar/closures/equivalent_kernel.py",
        ("ridge not per sample", "n * kappa - sigma2", "kappa - sigma2", LINEAR_NETWORK),
    ),
    *_in(
        "analytic/scalar/closures/base.py",
        ("a series summed to one term", "self.growth / (1 - self.growth)", "self.growth", LEFT_OUT),
        ("modes along w* not learned", "limit(other_modes(), lam_star, oo)", "other_modes()", LEFT_OUT),
    ),
    *_in(
        "analytic/templates/scalar_truncation.py",
        ("a sum of orders that grow", "if growth < 1.0 else inf", "if growth < 2.0 else inf", LEFT_OUT),
    ),
    *_in(
        "analytic/templates/scalar_ridge.py",
        ("r in units of W", "W * share, inert", "share, inert", RIDGE_ROOTS),
        ("chi without its square", "inert, y / (W * W)", "inert, y / W", RIDGE_ROOTS),
    ),
    *_in(
        "analytic/templates/scalar_one_over_n.py",
        (
            "past the fold",
            "            return 0.0, 0.0, 0.0, NOT_PHYSICAL\n        high = end",
            "            high = end",
            FOLD,
        ),
    ),
    *_in(
        "analytic/series/power_series.py",
        ("a wrong order in the series", "-defect / slope", "defect / slope", KNOWN_SERIES),
    ),
    *_in(
        "analytic/emit/equivalent_kernel.py",
        (
            "slope at the process not in units of alpha",
            "slope_in_1_C = _ALPHA_GP * t",
            "slope_in_1_C = t",
            SCALAR_SLOPE,
        ),
    ),
    *_in(
        "analytic/templates/scalar_loops.py",
        ("wrong side of the bracket", "low = z if value > 0.0", "low = z if value < 0.0", SCALAR_ROOTS),
    ),
    *_in(
        "analytic/templates/scalar_equivalent_kernel.py",
        ("upper end of the bracket", "min(1.0, 1.0 / sqrt(t))", "min(1.0, 0.5 / sqrt(t))", SCALAR_ROOTS),
        ("chi linear in alpha", "inert, t * a * a", "inert, t * a", SCALAR_RATIO),
        ("l_* without mu", "gap / (mu * a)", "gap / a", SCALAR_RATIO),
        ("the other branch point", "-(c1 + size)", "-(c1 - size)", SCALAR_BRANCH),
    ),
    *_in(
        "numerics/datasets/teachers.py",
        (
            "a teacher made of the first inputs",
            "least=0), 1])",
            "least=0)])",
            f"{NUMERICS}/test_datasets.py::test_a_teacher_of_the_data_s_seed_is_not_made_of_the_data[fcn]",
        ),
        (
            "windows and latent pixels change places",
            "reshape(-1, pixels, slots)",
            "reshape(-1, slots, pixels).swapaxes(1, 2)",
            f"{NUMERICS}/test_datasets.py::test_the_cnn_teacher_s_targets_by_hand",
        ),
    ),
    *_in(
        "numerics/datasets/images.py",
        (
            "columns of patches before rows",
            "grid.swapaxes(2, 3)",
            "grid.transpose(0, 3, 1, 2, 4, 5)",
            f"{NUMERICS}/test_image_data.py::test_cifar_patches_are_squares_with_the_colour_fastest",
        ),
    ),
]
