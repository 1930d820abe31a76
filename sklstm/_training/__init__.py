"""How a net is fitted: losses, solvers and their optimizers, schedules, when to stop."""
