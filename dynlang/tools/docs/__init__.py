"""`dync doc`: what a module offers, from its source: as Markdown, as text for a terminal, or as one page of HTML.

    model.py    the source as data: pages of entries
    text.py     Markdown and plain text
    page.py     HTML that needs nothing but itself
    command.py  the verb
"""
