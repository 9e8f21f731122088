"""The steps of the flow as Dagster assets and asset checks, one module per step.

Belongs here: wiring the ground-floor rooms to Dagster: which step needs which, what a step reports. Does
not belong here: SQL, statistics,
file formats.
"""
