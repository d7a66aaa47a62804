"""Tools that build and document the programs. They import the programs, never the tests."""
