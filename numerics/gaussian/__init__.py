"""The theory: a Gaussian per layer, the free energy F of a chain of layers, its gradient and Hessian."""
