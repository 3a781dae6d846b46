"""``python -m gateway``: the same as the command ``coinbox``."""

from gateway.cli import main

main()
