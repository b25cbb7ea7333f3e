"""Fixtures of the tests of `numerics`."""

import pytest
from small_problems import Small


@pytest.fixture(scope="session", params=["erf", "linear"])
def small(request):
    return Small(request.param)


@pytest.fixture(scope="session")
def small_erf():
    return Small("erf")
