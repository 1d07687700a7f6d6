"""Groups of steps that depend on one another: what is asked for, how it stands, what to do next. All of it is pure.

``plan`` reads and checks what is asked for, ``references`` hands results on, ``standing`` is a project as read,
``advance`` decides, ``view`` tells. What reads and writes is ``store/projects.py``, what does it ``advancing.py``.
"""
