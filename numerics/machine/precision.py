"""What is said when a result has lost digits to rounding."""


class LossOfDigits(RuntimeWarning):
    """A number is known to fewer digits than it should be; the message says to how many, and what to do."""
