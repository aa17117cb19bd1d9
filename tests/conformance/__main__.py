# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Command line of the conformance runner."""

import sys

from .runner import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
