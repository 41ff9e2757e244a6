"""The algebra of grammars: what can be said of all texts of a grammar, decided with witnesses.

    expressions → symbols → leaves, concatenations → product → search → questions, listing
    (what is meant)   (tokens)        (automata)            (lazy)    (answers)

Automata only decide; what is made is a tree again (`trees`). Every question has three answers.
"""
