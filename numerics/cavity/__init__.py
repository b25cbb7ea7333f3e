"""The cavity theory: the law of one unit, exactly, for networks with one hidden layer."""
