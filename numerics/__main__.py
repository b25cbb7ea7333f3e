"""`python -m numerics` is the command line."""

import sys

from numerics.cli import main

sys.exit(main())
