"""`python -m faceline`."""

from faceline.cli import main

main()
