"""Benchmarks: one month of daily usage, measured against yardsticks taken in the same run.

`python -m csp_pipeline_tests.benchmarks` is the command. Every measurement is a process of its own, and what is held to
a bound is a ratio to `gzip -dc` of the same files, so that the machine does not matter. Tests of behaviour are
elsewhere.
"""
