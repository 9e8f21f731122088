"""What leaves the house: list formats, writers, delivery, receipts.

Belongs here: how the rows of a list become a file that a tool or a person can read. Does not belong here:
choosing who is on a list.
"""
