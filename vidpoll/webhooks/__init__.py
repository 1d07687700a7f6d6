"""Webhooks out, by the Standard Webhooks specification: what is sent, to whom, signed how, and when again.

============== =========================================================================
``events``     which events there are, and the body of each
``endpoints``  where they are sent: what is asked for, and how it stands
``signing``    secrets, and the headers that sign a body
``retrying``   when to try again: pure arithmetic
``places``     how many endpoints are sent to at once, and how owners share it
``sending``    one POST, and what came of it, as values
============== =========================================================================

``vidpoll/delivering.py`` puts them together. Source: https://www.standardwebhooks.com, specification 1.0.
"""
