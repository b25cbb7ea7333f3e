"""What a solve takes, said before it is run."""
