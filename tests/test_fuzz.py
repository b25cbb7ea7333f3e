"""Some random problems in CI; `make fuzz` solves as many as ten minutes allow."""

import fuzz
import numpy as np

CLOSED_FORMS = ("erf", "linear", "relu")  # the others' series take most of the time
BOUND = 4000
# narrow units (.68, 1.1) at noise 1e-6, and targets 1e4 times the prior: F still falls at the end
KNOWN = {12065, 12066, 12069}


def test_random_problems_are_solved():
    seeds = [s for s in range(12000, 12080) if fuzz.random_problem(s).net.activation in CLOSED_FORMS]
    runs = [fuzz.run(seed) for seed in seeds]
    failed = [f"seed {r.seed}: {r.status}, {r.problem}" for r in runs if r.failed and r.seed not in KNOWN]
    assert not failed
    gradients = np.array([r.gradients for r in runs if r.status != "refused"])
    assert gradients.max() <= BOUND
    assert np.median(gradients) <= 10


def test_a_seed_is_a_problem():
    one, other = fuzz.random_problem(7), fuzz.random_problem(7)
    assert one.net == other.net
    np.testing.assert_array_equal(one.y, other.y)
    assert fuzz.random_problem(8).net != one.net
