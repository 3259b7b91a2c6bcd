"""A slow, plain, exact second implementation of the figures, to hold the product to.

It shares no code with the product: standard library only, one row at a time, fractions and long decimals. Its entry
point is ``compute``; hand-made scenarios are in ``scenarios``, their expected numbers in ``test_reference``.
"""

from csp_pipeline_tests.reference.run import compute

__all__ = ["compute"]
