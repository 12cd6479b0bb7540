"""``python -m lmforms.cli``."""

import sys

from .program import main

sys.exit(main())
