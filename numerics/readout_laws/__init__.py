"""Laws of the readout: what its weights do to the kernel that the last hidden layer makes. `theory=` names
one."""

from numerics.readout_laws.fan_in import FiniteFanIn, ScalarFanIn
from numerics.readout_laws.law import ReadoutLaw
from numerics.readout_laws.mean_field import MeanField

LAWS: dict[str, ReadoutLaw] = {law.name: law for law in (MeanField(), FiniteFanIn(), ScalarFanIn())}
NAMES = tuple(LAWS)
