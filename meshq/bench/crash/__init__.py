"""``meshq bench crash``: nodes killed with -9 under full load and started again on their data; what is lost is counted.

``plan`` says who is killed when, ``round`` plays it with real processes, ``toll`` counts, ``run`` repeats and shows it.
"""
