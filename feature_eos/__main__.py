"""`python -m feature_eos` is the command line."""

import sys

from feature_eos.cli import main

sys.exit(main())
