"""How a net is fitted: losses, optimizers, stopping, and the only epoch loop."""
