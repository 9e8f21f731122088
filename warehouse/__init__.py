"""The files the project keeps: the build file, the releases, the history.

Belongs here: every DuckDB connection, the folders of a home, the lock of a run, and the protocol by which a
finished night becomes what readers see. Does not belong here: the SQL of a table (``dbt_project``), the
choice of who is on a list, and anything that knows of orchestration. Nothing is re-exported: import the
module that is meant, so that ``warehouse.home`` stays free of DuckDB.
"""
