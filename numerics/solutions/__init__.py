"""What a solve returns: the solution with its observables, predictions and branches, kept in files."""
