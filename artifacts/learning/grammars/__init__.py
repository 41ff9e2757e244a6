"""Grammars from texts: `union` from accepted texts, `merging` from accepted and rejected strings of
symbols, `narrowing` of a grammar that accepts too much, with `proofs`.
"""
