"""``python -m weighbridge`` is the command ``weighbridge``."""

from weighbridge.cli import main

main()
