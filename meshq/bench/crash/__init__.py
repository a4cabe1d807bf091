"""``meshq bench crash``: nodes killed with -9 under full load, started again on their data, and a count of what is lost.

``plan`` says who is killed when, ``round`` plays it with real processes, ``toll`` counts, ``run`` repeats and shows it.
"""
