"""From runs to a verdict: scores with intervals, paired contrasts, and which arm to use.

It reads runs only: no model is called and no file opened. `compare` and `report` are the users.
"""

from graft.decide.compare import Comparison, decide
from graft.decide.verdict import Verdict

__all__ = ["Comparison", "Verdict", "decide"]
