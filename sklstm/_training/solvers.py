"""The solvers by name. All but L-BFGS are optimizers of minibatches, of the table `OPTIMIZERS`."""

from sklstm._training.lbfgs import LBFGS
from sklstm._training.optimizers import OPTIMIZERS
from sklstm._training.solver import Solver
from sklstm._training.stochastic import Stochastic

SOLVERS: dict[str, type[Solver]] = {**dict.fromkeys(OPTIMIZERS, Stochastic), "lbfgs": LBFGS}
