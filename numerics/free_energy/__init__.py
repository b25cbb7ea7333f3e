"""The theory: the free energy F of a chain of layers, its gradient and Hessian, and series around them."""
