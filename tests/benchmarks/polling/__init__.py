"""``make bench-polling``: vidpoll's schedules judged in virtual time, beside other schedules and the optimum.

A discrete-event simulation of one status lane: generations in flight, a token bucket, looks. What is judged is
production's own code (``schedule``, ``plan``, ``estimating``, ``pressure``); what stands in for Redis is the bucket's
arithmetic, which a test holds against ``bucket.lua`` and ``claim.lua``. Repeatable: everything random has a seed.

- ``durations.py`` how long generations really take · ``cases.py`` the cases
- ``bucket.py`` the token bucket · ``simulated.py`` the event loop · ``figures.py`` what is counted
- ``contenders.py`` the schedules · ``optimum.py`` the best any schedule could do
- ``running.py`` who runs in which case · ``verdict.py`` what was asked for · ``report.py``, ``picture.py``
"""
