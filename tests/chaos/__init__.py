"""Chaos: workers under load while everything around them fails, and a verdict on every single request.

`scripts/chaos` runs it long, `test_chaos.py` short. `faults` break, `ledger` judges.
"""
