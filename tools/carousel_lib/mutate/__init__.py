"""tools/mutate: one wrong token at a time in the pure code, and whether a unit test notices."""
