"""One hidden unit in given fields on the data: its features, draws of its weights, and the law that the
fields make of them."""
