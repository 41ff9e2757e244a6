"""Grammars from elsewhere: hassil sentence files, TypeAgent `.agr` files, regular expressions.

    text → report.too_long → yamltree, templates | agr_syntax | regexp_syntax → characters → grammar

Each importer is a total function from the text of a file to `Imported`, grammars by name and notes,
or to problems, each with line, column and what was expected. An imported grammar never reads a text
that its source does not; where it reads fewer a note says so, and what would need more is refused.
"""
