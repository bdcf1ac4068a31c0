"""The worker beside the bare loop that anybody would write, in one run, on this machine.

Figures of two runs or two machines do not compare; the ratios within one run do.
"""
