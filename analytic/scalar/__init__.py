"""The reduced theory of the two-layer CNN: from its free energy to one equation for alpha, and its states."""
