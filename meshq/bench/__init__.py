"""Figures that can be taken again: ``meshq bench``, with real processes on this host.

Each bench is a module: what is run, and what is measured of it. They share the processes of a run (``crew``), the
calibration beside it (``calibration``, ``host``), how often it is repeated (``repeat``), what is said of it
(``report``, ``noise``) and how it is shown (``show``, ``plots``). What the processes do is in ``roles``; whom meshq
is compared with is in ``peers``.
"""
