"""The top floor: jobs, schedules, sensors, notifications and the command line.

Here the rooms are wired together. Computation, SQL and file formats live in the rooms below.
"""
