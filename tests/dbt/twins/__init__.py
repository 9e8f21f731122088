"""The figures of the metric catalogue, a second time: in pandas, from the words of ``docs/metrics.md``.

Here belongs what computes a figure without the SQL that is tested. Comparing the two belongs to ``test_twins.py``.
"""
