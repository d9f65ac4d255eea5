"""The `aspectstore` command: the one package that speaks to a terminal."""
