"""The command line: what its subcommands do, read, write and draw."""
