"""Who did what: the trail of every write and every refusal, and what changed between two times.

The bridge tells, the durable store keeps; here are the chain of records, the counting of refusals alike, and the verbs
of ``Audit``. Values of parameters never come here, only their paths (security requirement 25).
"""
