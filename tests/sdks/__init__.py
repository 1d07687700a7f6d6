"""The vendors' own clients judge the simulator: where one of them and our reading of a format differ, it is right.

`make test-sdks` installs them and runs this; wherever they are missing, this folder is left out.
"""
