"""The closed loop, simulated: viewers act on what they are served, and the server learns from that.

`simulate` lives through a plan once for each feed: the learning server, the same server untrained, and the
simple feeds that it is compared with. Each lives in a copy of the same network, with the same visits at the
same times and the same random numbers behind what viewers do. `training.loop.outcome` has what came of it.
"""

from training.loop.feeds import ARMS
from training.loop.learner import LearningSettings
from training.loop.outcome import Outcome, Summary
from training.loop.plan import Plan
from training.loop.simulate import simulate

__all__ = ["ARMS", "LearningSettings", "Outcome", "Plan", "Summary", "simulate"]
