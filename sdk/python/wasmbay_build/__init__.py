"""Builds a Python web application into a component. `python3 -m wasmbay_build --help` tells how."""
