"""`python -m profiler` is ppai-profile."""

import sys

from profiler.cli import main

sys.exit(main())
