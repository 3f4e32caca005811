"""python -m gateway.cli is ppai."""

from gateway.cli import main

main()
