"""A made-up partner to play with: a seeded scenario written as the files Microsoft would send.

Nothing here imports the pipeline's rules: what the scenario expects is worked out a second time, from the facts.
"""
