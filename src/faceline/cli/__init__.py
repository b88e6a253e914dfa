"""The command line. Exit 0: done; 1: some inputs failed, each listed; 2: wrong use."""

from faceline.cli.main import main as main
