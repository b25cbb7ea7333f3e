"""Fixtures of the tests of `numerics`."""

import pytest
from small_problems import Small

from numerics._generated import HOLOMORPHIC


@pytest.fixture(scope="session", params=HOLOMORPHIC)
def small(request):
    return Small(request.param)


@pytest.fixture(scope="session")
def small_erf():
    return Small("erf")
