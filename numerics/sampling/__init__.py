"""Networks of a given width drawn from their exact posterior, and what they say with error bars."""
