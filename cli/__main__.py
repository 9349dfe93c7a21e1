"""`python -m cli` is the `ecitizen` command, for machines where scripts are not on the path."""

import sys

from .main import main

sys.exit(main())
