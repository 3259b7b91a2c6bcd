"""What Dagster needs to know: assets, checks, partitions, jobs, schedules and the instance.

This package and `definitions.py` alone import dagster. Nothing here decides a figure: asset bodies call `steps/`.
"""
