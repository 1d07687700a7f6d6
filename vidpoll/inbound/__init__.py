"""Webhooks of vendors: what each looks like, and how it is known to be genuine.

One file a vendor. Each has a pure ``verify``, from headers, body, key and time to a ``base.Verdict``; ``receiving.py``
finds the account and its key, and hands on what is genuine. What a webhook says of a result is never used.
"""
